#include "ports/unread.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "ports/packet_socket.h"
#include "util/fd.h"

namespace rxsteer {

namespace {

// More than a TAP's queue has: `ip link set txqueuelen` is seldom beyond some thousands.
constexpr uint32_t kTapFramesMax = 1 << 16;

uint32_t takenSlots(const uint8_t* ring, uint32_t slots) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < slots; i++) {
    const uint8_t* raw = ring + size_t{i} * kRingSlotBytes;
    const auto* slot = reinterpret_cast<const tpacket2_hdr*>(raw);
    if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) continue;
    const auto* from = reinterpret_cast<const sockaddr_ll*>(raw + TPACKET_ALIGN(sizeof(tpacket2_hdr)));
    // What this program sent itself is skipped by its receivers too.
    if (from->sll_pkttype != PACKET_OUTGOING) count++;
  }
  return count;
}

}  // namespace

void gracePeriod() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
  // Not with nohz_full. The release of a packet socket waits for the same (synchronize_net).
  UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)).reset();
}

bool readable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN) != 0;
}

void stopReceiving(const std::vector<int>& sockets) {
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{1, nothing};
  for (const int fd : sockets) ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  if (!sockets.empty()) gracePeriod();
}

uint32_t packetUnread(int socket) {
  // The kernel maps a ring only as a whole and does not tell its size.
  for (uint32_t slots = kRingSlotsMin; slots <= kRingSlotsMax; slots *= 2) {
    const size_t size = size_t{slots} * kRingSlotBytes;
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, socket, 0);
    if (at == MAP_FAILED) continue;
    const uint32_t count = takenSlots(static_cast<const uint8_t*>(at), slots);
    ::munmap(at, size);
    return count;
  }
  return 0;
}

uint32_t tapUnread(int queue) {
  // A read that is too short takes the whole frame all the same.
  uint8_t header[64];
  uint32_t count = 0;
  while (count < kTapFramesMax) {
    if (::read(queue, header, sizeof header) > 0)
      count++;
    else if (errno != EINTR)
      break;
  }
  return count;
}

bool canOpenDescriptors(uint32_t count) {
  std::vector<UniqueFd> opened;
  while (opened.size() < count) {
    UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
    if (!fd) return false;
    opened.push_back(std::move(fd));
  }
  return true;
}

}  // namespace rxsteer
