// bpf(2): maps, programs, trial runs, attaching. What is loaded is made in TypeScript (src/bpf).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "util/fd.h"

namespace rxsteer {

struct BpfMapOptions {
  uint32_t type = 0;
  uint32_t keyBytes = 0;
  uint32_t valueBytes = 0;
  uint32_t entries = 0;
  std::string name;
};

UniqueFd makeBpfMap(const BpfMapOptions& options);

// Sizes of a map's key and value, as the kernel has them. EINVAL for a descriptor of anything else.
struct BpfMapSizes {
  uint32_t key = 0;
  uint32_t value = 0;
};
BpfMapSizes bpfMapSizes(int map);

// The buffers have the sizes of the map. Lookup: false where there is no such key.
void updateBpfMap(int map, const uint8_t* key, const uint8_t* value);
bool lookupBpfMap(int map, const uint8_t* key, uint8_t* value);

// Loads a program; what the verifier says of one that it refuses is in the hint, its last lines. Helpers that are for
// GPL-compatible programs only need a licence text that says so.
UniqueFd loadBpfProgram(uint32_t type, const std::string& name, const std::string& licence, const uint8_t* code,
                        size_t bytes);

// Runs a program over frames that lie one behind the other; frame i begins at offsets[i], the last ends at
// offsets[count]. Nothing is delivered anywhere. The kernel makes no packet of some frames (IP with less than its header,
// where the program is a socket filter): those get kNotTried. Returns how many.
constexpr uint32_t kNotTried = 0xffffffff;
size_t tryBpfProgram(int program, const uint8_t* frames, const uint32_t* offsets, size_t count, uint32_t* results);

// The name of a program by its number in the kernel; empty where it has none or it is not told.
std::string bpfProgramName(uint32_t id);

void pinBpf(int fd, const std::string& path);
// Attaches a program to a device for as long as the descriptor is open. type: a BPF_ attach type (XDP, TCX egress …).
// flags, of XDP: XDP_FLAGS_SKB_MODE (2), DRV_MODE (4), or 0.
UniqueFd linkBpf(int program, int ifindex, uint32_t type, uint32_t flags);
// Another program of the same type takes the place of a link's; no frame is without one meanwhile.
void updateBpfLink(int link, int program);
// PACKET_FANOUT_DATA of a group in mode ebpf, and the program of a group of SO_REUSEPORT.
void setFanoutProgram(int socket, int program);
void setReusePortProgram(int socket, int program);

}  // namespace rxsteer
