#include "ports/tag_mover.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "util/bpf_program.h"

namespace rxsteer {

namespace {

// Newer than the headers that this may be built with.
constexpr uint32_t kTcxEgress = 47;  // BPF_TCX_EGRESS
constexpr int32_t kNext = -1;        // TCX_NEXT: the device's other programs decide

// r6 the packet, r7 its ethertype in network order, r8 the tag.
BpfProgram assemble() {
  BpfProgram p;
  std::vector<BpfProgram::Jump> pass;
  p.move(R6, R1);
  p.loadFrom(BPF_W, R0, R6, offsetof(__sk_buff, vlan_present));
  pass.push_back(p.jump(BPF_JNE, R0, 0));
  p.loadFrom(BPF_W, R7, R6, offsetof(__sk_buff, protocol));
  const auto q = p.jump(BPF_JEQ, R7, htons(ETH_P_8021Q));
  const auto ad = p.jump(BPF_JEQ, R7, htons(ETH_P_8021AD));
  pass.push_back(p.always());
  p.land({q, ad});
  p.move(R1, R6);
  p.moveImm(R2, ETH_HLEN);
  p.move(R3, R10);
  p.addImm(R3, -8);
  p.moveImm(R4, 2);
  p.call(BPF_FUNC_skb_load_bytes);
  pass.push_back(p.jump(BPF_JNE, R0, 0));
  p.loadFrom(BPF_H, R8, R10, -8);
  p.op(BPF_ALU | BPF_END | BPF_TO_BE, R8, 0, 0, 16);
  // The tag behind it, if there is one, comes out with it; pushing puts that one back.
  p.move(R1, R6);
  p.call(BPF_FUNC_skb_vlan_pop);
  pass.push_back(p.jump(BPF_JNE, R0, 0));
  p.move(R1, R6);
  p.move(R2, R7);
  p.move(R3, R8);
  p.call(BPF_FUNC_skb_vlan_push);
  p.land(pass);
  p.moveImm(R0, kNext);
  p.exit();
  return p;
}

// The fields of `bpf_attr.link_create` that are used; the kernel takes what is left out for zero.
struct LinkCreate {
  uint32_t program;
  uint32_t ifindex;
  uint32_t attachType;
  uint32_t flags;
};

}  // namespace

UniqueFd openTagMover(int ifindex) {
  const UniqueFd program = assemble().load("rxsteer_tags", "Dual MIT/GPL", BPF_PROG_TYPE_SCHED_CLS);
  if (!program) return UniqueFd();
  LinkCreate request{static_cast<uint32_t>(program.get()), static_cast<uint32_t>(ifindex), kTcxEgress, 0};
  return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &request, sizeof request)));
}

}  // namespace rxsteer
