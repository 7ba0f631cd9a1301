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
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>
#include <vector>

namespace rxsteer {

namespace {

// Registers: r6 the packet, r7 the offset of the network header, r8 the hash, r0-r5 scratch, r10 the stack.
enum : uint8_t { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };

// Bytes of the packet are copied to the stack from here on (48 bytes: an IPv6 header and more).
constexpr int16_t kBuffer = -48;

class Program {
 public:
  struct Jump {
    size_t at;
  };

  void op(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
    bpf_insn insn{};
    insn.code = code;
    insn.dst_reg = dst & 15;
    insn.src_reg = src & 15;
    insn.off = off;
    insn.imm = imm;
    code_.push_back(insn);
  }
  void move(uint8_t dst, uint8_t src) { op(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0); }
  void moveImm(uint8_t dst, int32_t imm) { op(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm); }
  void addImm(uint8_t dst, int32_t imm) { op(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm); }
  void alu32(uint8_t operation, uint8_t dst, int32_t imm) { op(BPF_ALU | operation | BPF_K, dst, 0, 0, imm); }
  void load(uint8_t size, uint8_t dst, int16_t at) { op(BPF_LDX | size | BPF_MEM, dst, R10, int16_t(kBuffer + at), 0); }
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
    op(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes);
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
  Jump jump(uint8_t condition, uint8_t reg, int32_t imm) {
    op(BPF_JMP | condition | BPF_K, reg, 0, 0, imm);
    return Jump{code_.size() - 1};
  }
  Jump always() {
    op(BPF_JMP | BPF_JA, 0, 0, 0, 0);
    return Jump{code_.size() - 1};
  }
  // The jumps lead here.
  void land(std::initializer_list<Jump> jumps) {
    for (const Jump& j : jumps) code_[j.at].off = static_cast<int16_t>(code_.size() - j.at - 1);
  }
  const std::vector<bpf_insn>& code() const { return code_; }

 private:
  std::vector<bpf_insn> code_;
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

std::vector<bpf_insn> assemble() {
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
  p.op(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  return p.code();
}

}  // namespace

UniqueFd loadSteeringProgram() {
  const std::vector<bpf_insn> code = assemble();
  static const char license[] = "MIT";
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<uintptr_t>(code.data());
  attributes.insn_cnt = static_cast<uint32_t>(code.size());
  attributes.license = reinterpret_cast<uintptr_t>(license);
  std::strncpy(attributes.prog_name, "rxsteer_tap", sizeof attributes.prog_name - 1);
  return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
}

bool setTapSteering(int fd) {
  const UniqueFd program = loadSteeringProgram();
  if (!program) return false;
  // tun takes its own reference.
  int value = program.get();
  return ::ioctl(fd, TUNSETSTEERINGEBPF, &value) == 0;
}

}  // namespace rxsteer
