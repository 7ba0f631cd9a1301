#include "ports/receive_guard.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/bpf_program.h"
#include "util/btf.h"
#include "util/file.h"

namespace rxsteer {

namespace {

#if !defined(__LP64__)
#error "sk_buff.end is an offset on 64-bit kernels only"
#endif

// Where the type of a super-frame lies in this kernel, and which types virtio-net has.
struct GsoLayout {
  uint32_t head;
  uint32_t end;
  uint32_t type;
  uint32_t expressible;
};

// Segmented UDP in virtio-net headers: Linux 6.2.
bool expressesUdp() {
  utsname name{};
  if (::uname(&name) != 0) return false;
  char* rest = nullptr;
  const long major = std::strtol(name.release, &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major > 6 || (major == 6 && minor >= 2);
}

std::optional<GsoLayout> readLayout() {
  const auto types = KernelTypes::read();
  if (!types) return std::nullopt;
  const auto head = types->memberOffset("sk_buff", "head");
  const auto end = types->memberOffset("sk_buff", "end");
  const auto type = types->memberOffset("skb_shared_info", "gso_type");
  const auto tcp4 = types->enumerator("SKB_GSO_TCPV4");
  const auto tcp6 = types->enumerator("SKB_GSO_TCPV6");
  const auto udp = types->enumerator("SKB_GSO_UDP_L4");
  if (!head || !end || !type || !tcp4 || !tcp6) return std::nullopt;
  uint64_t expressible = *tcp4 | *tcp6;
  if (udp && expressesUdp()) expressible |= *udp;
  return GsoLayout{*head, *end, *type, static_cast<uint32_t>(expressible)};
}

// One kernel, one layout.
const std::optional<GsoLayout>& layout() {
  static const std::optional<GsoLayout> known = readLayout();
  return known;
}

// Ethertypes that a protocol of this namespace takes, whatever the device: /proc/net/ptype, lines "0800  ip_rcv".
std::vector<uint16_t> claimedTypes() {
  std::vector<uint16_t> types;
  const std::vector<uint8_t> bytes = readFile("/proc/thread-self/net/ptype");
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t end = 0; !text.empty(); text.remove_prefix(end)) {
    end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string line(text.substr(0, end));
    char* rest = nullptr;
    const unsigned long type = std::strtoul(line.c_str(), &rest, 16);
    // "ALL" is no number; behind the number stands a device, or only blanks and the function.
    if (rest != line.c_str() + 4 || type > 0xffff || line.compare(4, 9, "         ") != 0) continue;
    types.push_back(static_cast<uint16_t>(type));
  }
  return types;
}

void count(BpfProgram& p, int counters, size_t offset) {
  p.mapValue(R1, counters, static_cast<int32_t>(offset));
  p.moveImm(R2, 1);
  p.op(BPF_STX | BPF_DW | BPF_XADD, R1, R2, 0, 0);
}

// Copies `bytes` of the kernel's memory at r3 to the stack at `at`; jumps where it is not there.
BpfProgram::Jump probe(BpfProgram& p, int16_t at, int32_t bytes) {
  p.move(R1, R10);
  p.addImm(R1, at);
  p.moveImm(R2, bytes);
  p.call(BPF_FUNC_probe_read_kernel);
  return p.jump(BPF_JNE, R0, 0);
}

// r6 the packet, r7 an ethertype in network order.
BpfProgram assemble(const GsoLayout& gso, const std::vector<uint16_t>& claimed, int counters) {
  BpfProgram p;
  p.move(R6, R1);
  p.loadFrom(BPF_W, R0, R6, offsetof(__sk_buff, gso_size));
  const auto plain = p.jump(BPF_JEQ, R0, 0);
  // skb_shinfo(skb)->gso_type; head + end is where the shared info begins.
  std::vector<BpfProgram::Jump> unread;
  p.move(R3, R6);
  p.addImm(R3, static_cast<int32_t>(gso.head));
  unread.push_back(probe(p, -8, 8));
  p.move(R3, R6);
  p.addImm(R3, static_cast<int32_t>(gso.end));
  unread.push_back(probe(p, -16, 4));
  p.loadFrom(BPF_DW, R3, R10, -8);
  p.loadFrom(BPF_W, R1, R10, -16);
  p.op(BPF_ALU64 | BPF_ADD | BPF_X, R3, R1, 0, 0);
  p.addImm(R3, static_cast<int32_t>(gso.type));
  unread.push_back(probe(p, -16, 4));
  p.loadFrom(BPF_W, R0, R10, -16);
  const auto expressible = p.jump(BPF_JSET, R0, static_cast<int32_t>(gso.expressible));
  p.land(unread);
  count(p, counters, offsetof(GuardCounters, refused));
  p.moveImm(R0, 0);
  p.exit();

  p.land({plain, expressible});
  std::vector<BpfProgram::Jump> pass;
  p.loadFrom(BPF_W, R0, R6, offsetof(__sk_buff, vlan_present));
  pass.push_back(p.jump(BPF_JEQ, R0, 0));
  p.loadFrom(BPF_W, R7, R6, offsetof(__sk_buff, protocol));
  p.loadFrom(BPF_W, R8, R6, offsetof(__sk_buff, vlan_tci));
  // Behind a tag without VLAN id the kernel takes off the next one, too.
  std::vector<BpfProgram::Jump> settled;
  for (int32_t tag = 0; tag < 3; tag++) {
    p.alu32(BPF_AND, R8, 0xfff);
    settled.push_back(p.jump(BPF_JNE, R8, 0));
    const auto q = p.jump(BPF_JEQ, R7, htons(ETH_P_8021Q));
    const auto ad = p.jump(BPF_JEQ, R7, htons(ETH_P_8021AD));
    settled.push_back(p.always());
    p.land({q, ad});
    p.move(R1, R6);
    p.moveImm(R2, ETH_HLEN + 4 * tag);
    p.move(R3, R10);
    p.addImm(R3, -8);
    p.moveImm(R4, 4);
    p.call(BPF_FUNC_skb_load_bytes);
    pass.push_back(p.jump(BPF_JNE, R0, 0));
    p.loadFrom(BPF_H, R8, R10, -8);
    p.op(BPF_ALU | BPF_END | BPF_TO_BE, R8, 0, 0, 16);
    p.loadFrom(BPF_H, R7, R10, -6);
  }
  p.land(settled);
  for (const uint16_t type : claimed) pass.push_back(p.jump(BPF_JEQ, R7, htons(type)));
  count(p, counters, offsetof(GuardCounters, unclaimed));
  p.land(pass);
  p.moveImm(R0, -1);
  p.exit();
  return p;
}

UniqueFd makeCounters() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = sizeof(GuardCounters);
  attributes.max_entries = 1;
  return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes)));
}

}  // namespace

ReceiveGuard openReceiveGuard() {
  ReceiveGuard guard;
  if (!layout()) return guard;
  guard.counters = makeCounters();
  if (!guard.counters) return guard;
  // bpf_probe_read_kernel is for GPL-compatible programs: these instructions are under either licence.
  guard.program = assemble(*layout(), claimedTypes(), guard.counters.get()).load("rxsteer_guard", "Dual MIT/GPL");
  if (!guard.program) guard.counters.reset();
  return guard;
}

bool attachReceiveGuard(int socket, int program) {
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) == 0;
}

GuardCounters readReceiveGuard(int counters) {
  GuardCounters value{};
  const uint32_t key = 0;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(counters);
  attributes.key = reinterpret_cast<uintptr_t>(&key);
  attributes.value = reinterpret_cast<uintptr_t>(&value);
  if (::syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof attributes) != 0) return {};
  return value;
}

}  // namespace rxsteer
