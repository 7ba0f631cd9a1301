#include "ports/super_frame.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "ports/vnet.h"
#include "util/fd.h"

namespace rxsteer {

namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint32_t kAll = Segmentation::tcp4 | Segmentation::tcp4Ecn | Segmentation::tcp6 | Segmentation::udp;

uint16_t big16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

bool isTag(uint16_t ethertype) { return ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100; }

// Offset of the transport header of protocol `wanted`, or 0 where the outermost packet has none.
uint32_t transportOffset(const uint8_t* frame, uint32_t length, uint8_t wanted) {
  uint32_t l3 = 14;
  if (length < l3) return 0;
  uint16_t ethertype = big16(frame + 12);
  while (isTag(ethertype)) {
    l3 += 4;
    if (length < l3) return 0;
    ethertype = big16(frame + l3 - 2);
  }
  if (ethertype == 0x0800) {
    if (length < l3 + 20 || frame[l3 + 9] != wanted) return 0;
    return l3 + uint32_t{frame[l3] & 15u} * 4;
  }
  if (ethertype != 0x86dd || length < l3 + 40) return 0;
  uint8_t next = frame[l3 + 6];
  uint32_t at = l3 + 40;
  // Hop-by-hop, routing, destination options.
  while (next == 0 || next == 43 || next == 60) {
    if (length < at + 8) return 0;
    next = frame[at];
    at += (uint32_t{frame[at + 1]} + 1) * 8;
  }
  return next == wanted ? at : 0;
}

}  // namespace

bool isTcp(const uint8_t* frame, uint32_t length) { return transportOffset(frame, length, kTcp) != 0; }

uint32_t segmentationOf(const uint8_t* message) {
  const uint8_t type = readVnet(message).gsoType;
  switch (type & ~kGsoEcn) {
    case kGsoTcp4: return (type & kGsoEcn) != 0 ? Segmentation::tcp4 | Segmentation::tcp4Ecn : Segmentation::tcp4;
    case kGsoTcp6: return Segmentation::tcp6;
    case kGsoUdpL4: return Segmentation::udp;
    default: return 0;
  }
}

bool describesOutermost(const uint8_t* message, uint32_t length) {
  const uint8_t* frame = message + kVnetBytes;
  const VnetHeader header = readVnet(message);
  const uint8_t type = header.gsoType & ~kGsoEcn;
  const uint8_t wanted = type == kGsoUdpL4 || type == kGsoUdp ? kUdp : kTcp;
  const uint32_t at = transportOffset(frame, length, wanted);
  return at != 0 && ((header.flags & kVnetNeedsCsum) == 0 || header.csumStart == at);
}

uint32_t deviceSegmentation(int ifindex) {
  const UniqueFd query(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_ifindex = ifindex;
  if (!query || ::ioctl(query.get(), SIOCGIFNAME, &request) != 0) return kAll;
  const auto ask = [&](void* command) {
    request.ifr_data = static_cast<char*>(command);
    return ::ioctl(query.get(), SIOCETHTOOL, &request) == 0;
  };
  alignas(ethtool_sset_info) uint8_t set[sizeof(ethtool_sset_info) + sizeof(uint32_t)] = {};
  auto* info = reinterpret_cast<ethtool_sset_info*>(set);
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = uint64_t{1} << ETH_SS_FEATURES;
  if (!ask(set) || info->sset_mask == 0 || info->data[0] > 4096) return kAll;
  const uint32_t count = info->data[0];
  const uint32_t blocks = (count + 31) / 32;
  std::vector<uint8_t> names(sizeof(ethtool_gstrings) + size_t{count} * ETH_GSTRING_LEN);
  auto* strings = reinterpret_cast<ethtool_gstrings*>(names.data());
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = count;
  std::vector<uint8_t> bits(sizeof(ethtool_gfeatures) + size_t{blocks} * sizeof(ethtool_get_features_block));
  auto* features = reinterpret_cast<ethtool_gfeatures*>(bits.data());
  features->cmd = ETHTOOL_GFEATURES;
  features->size = blocks;
  if (!ask(strings) || !ask(features)) return kAll;
  uint32_t result = 0;
  for (uint32_t bit = 0; bit < count; bit++) {
    if ((features->features[bit / 32].active >> (bit % 32) & 1) == 0) continue;
    const auto* text = reinterpret_cast<const char*>(strings->data) + size_t{bit} * ETH_GSTRING_LEN;
    const std::string_view name(text, ::strnlen(text, ETH_GSTRING_LEN));
    if (name == "tx-tcp-segmentation") result |= Segmentation::tcp4;
    if (name == "tx-tcp-ecn-segmentation") result |= Segmentation::tcp4Ecn;
    if (name == "tx-tcp6-segmentation") result |= Segmentation::tcp6;
    if (name == "tx-udp-segmentation") result |= Segmentation::udp;
  }
  return result;
}

}  // namespace rxsteer
