#include "steering_bpf.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace rxsteer {

// The program itself is made in TypeScript: src/bpf.
bool setTapSteering(int tap, int program) {
  // tun takes its own reference.
  return ::ioctl(tap, TUNSETSTEERINGEBPF, &program) == 0;
}

}  // namespace rxsteer
