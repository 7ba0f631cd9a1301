// A socket-filter BPF program that hashes a frame's addresses and ports, assembled here and loaded by bpf(2).
//
// Why: without a program tun remembers on which queue a flow was last *written* and moves the flow's reading side
// there (tun_flow_update), so a forwarder that writes a flow from another worker would reorder it.
// bpf_get_hash_recalc is not available to socket filters, and skb->hash is random per connection for local
// senders, so the program reads the headers itself.
//
// Hashed: IPv4 and IPv6 addresses and the protocol; ports of TCP, UDP and SCTP where they directly follow (not for
// fragments, so that all fragments of a packet stay together; not behind IPv6 extension headers); MAC addresses
// for everything else. Up to two VLAN tags are skipped.
#include "steering_bpf.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <cstdint>
#include <vector>

#include "util/bpf_program.h"

namespace rxsteer {

namespace {

// Registers: r6 the packet, r7 the offset of the network header, r8 the hash, r0-r5 scratch, r10 the stack.

// Bytes of the packet are copied to the stack from here on (48 bytes: an IPv6 header and more).
constexpr int16_t kBuffer = -48;

class Program : public BpfProgram {
 public:
  void load(uint8_t size, uint8_t dst, int16_t at) { loadFrom(size, dst, R10, int16_t(kBuffer + at)); }
  // dst = network-order 16 bits at `at` of the buffer.
  void load16(uint8_t dst, int16_t at) {
    load(BPF_H, dst, at);
    op(BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, 16);
  }
  // Copies `length` bytes of the packet at r7 + extra (+ r9 if asked) to the buffer at `at`; jumps where it is too
  // short.
  Jump fetch(int32_t extra, bool addR9, int16_t at, int32_t length) {
    move(R1, R6);
    move(R2, R7);
    if (addR9) op(BPF_ALU64 | BPF_ADD | BPF_X, R2, R9, 0, 0);
    addImm(R2, extra);
    move(R3, R10);
    addImm(R3, kBuffer + at);
    moveImm(R4, length);
    call(BPF_FUNC_skb_load_bytes);
    return jump(BPF_JNE, R0, 0);
  }
  // h = (h ^ r2) * odd; h ^= h >> 15: every input bit reaches the low bits.
  void mixR2() {
    op(BPF_ALU | BPF_XOR | BPF_X, R8, R2, 0, 0);
    alu32(BPF_MUL, R8, static_cast<int32_t>(0x9E3779B1));
    op(BPF_ALU | BPF_MOV | BPF_X, R2, R8, 0, 0);
    alu32(BPF_RSH, R2, 15);
    op(BPF_ALU | BPF_XOR | BPF_X, R8, R2, 0, 0);
  }
  void mixWord(int16_t at) {
    load(BPF_W, R2, at);
    mixR2();
  }
};

// With the protocol in r2: falls through for one that has ports, else jumps.
std::vector<Program::Jump> unlessPorts(Program& p) {
  const auto tcp = p.jump(BPF_JEQ, R2, IPPROTO_TCP);
  const auto udp = p.jump(BPF_JEQ, R2, IPPROTO_UDP);
  const auto sctp = p.jump(BPF_JEQ, R2, IPPROTO_SCTP);
  const auto other = p.always();
  p.land({tcp, udp, sctp});
  return {other};
}

Program assemble() {
  Program p;
  std::vector<Program::Jump> done;
  p.move(R6, R1);
  p.moveImm(R7, ETH_HLEN);
  p.moveImm(R8, 0);
  // A frame too short for what is asked keeps the hash of what was there.
  done.push_back(p.fetch(-ETH_HLEN, false, 0, ETH_HLEN));
  p.load16(R9, 12);
  for (int tag = 0; tag < 2; tag++) {
    const auto q = p.jump(BPF_JEQ, R9, ETH_P_8021Q);
    const auto ad = p.jump(BPF_JEQ, R9, ETH_P_8021AD);
    const auto none = p.always();
    p.land({q, ad});
    // Into the second half: the MAC addresses may be needed yet.
    done.push_back(p.fetch(2, false, 16, 2));
    p.load16(R9, 16);
    p.addImm(R7, 4);
    p.land({none});
  }
  const auto ip4 = p.jump(BPF_JEQ, R9, ETH_P_IP);
  const auto ip6 = p.jump(BPF_JEQ, R9, ETH_P_IPV6);
  for (int16_t at = 0; at < 12; at += 4) p.mixWord(at);
  done.push_back(p.always());

  p.land({ip4});
  done.push_back(p.fetch(0, false, 0, 20));
  p.mixWord(12);
  p.mixWord(16);
  p.load(BPF_B, R2, 9);
  p.mixR2();
  p.load16(R2, 6);
  p.alu32(BPF_AND, R2, 0x3fff);  // more fragments, or an offset
  done.push_back(p.jump(BPF_JNE, R2, 0));
  p.load(BPF_B, R2, 9);
  for (const auto& j : unlessPorts(p)) done.push_back(j);
  p.load(BPF_B, R9, 0);
  p.alu32(BPF_AND, R9, 15);
  p.alu32(BPF_LSH, R9, 2);
  done.push_back(p.fetch(0, true, 0, 4));
  p.mixWord(0);
  done.push_back(p.always());

  p.land({ip6});
  done.push_back(p.fetch(0, false, 0, 40));
  for (int16_t at = 8; at < 40; at += 4) p.mixWord(at);
  p.load(BPF_B, R2, 6);
  p.mixR2();
  p.load(BPF_B, R2, 6);
  for (const auto& j : unlessPorts(p)) done.push_back(j);
  done.push_back(p.fetch(40, false, 0, 4));
  p.mixWord(0);

  for (const auto& j : done) p.land({j});
  // tun takes the low 16 bits, modulo the number of queues.
  p.op(BPF_ALU | BPF_MOV | BPF_X, R0, R8, 0, 0);
  p.alu32(BPF_RSH, R0, 16);
  p.op(BPF_ALU | BPF_XOR | BPF_X, R0, R8, 0, 0);
  p.alu32(BPF_AND, R0, 0xffff);
  p.exit();
  return p;
}

}  // namespace

UniqueFd loadSteeringProgram() {
  const BpfProgram program = assemble();
  return program.load("rxsteer_tap", "MIT");
}

bool setTapSteering(int fd) {
  const UniqueFd program = loadSteeringProgram();
  if (!program) return false;
  // tun takes its own reference.
  int value = program.get();
  return ::ioctl(fd, TUNSETSTEERINGEBPF, &value) == 0;
}

}  // namespace rxsteer
