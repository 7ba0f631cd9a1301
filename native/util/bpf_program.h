// An eBPF program under construction: instructions, jumps that land later, loading.
//
// Promise: nothing is checked here, the kernel's verifier does. Used on the main thread, when ports are opened.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "util/fd.h"

namespace rxsteer {

// Registers; r10 is the stack.
enum : uint8_t { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };

class BpfProgram {
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
  // dst = memory of `size` (BPF_B, H, W, DW) at `from` + off.
  void loadFrom(uint8_t size, uint8_t dst, uint8_t from, int16_t off) { op(BPF_LDX | size | BPF_MEM, dst, from, off, 0); }
  void call(int32_t function) { op(BPF_JMP | BPF_CALL, 0, 0, 0, function); }
  void exit() { op(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
  // dst = address of `offset` bytes into the one value of an array map.
  void mapValue(uint8_t dst, int map, int32_t offset) {
    op(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_VALUE, 0, map);
    op(0, 0, 0, 0, offset);
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
    for (const Jump& j : jumps) land(j);
  }
  void land(const std::vector<Jump>& jumps) {
    for (const Jump& j : jumps) land(j);
  }
  void land(Jump j) { code_[j.at].off = static_cast<int16_t>(code_.size() - j.at - 1); }

  // Loads it, as a socket filter where nothing else is said; an empty descriptor where the kernel refuses it (errno tells why). Helpers that are
  // for GPL-compatible programs only need a licence text that says so.
  UniqueFd load(const char* name, const char* license, bpf_prog_type type = BPF_PROG_TYPE_SOCKET_FILTER) const {
    bpf_attr attributes{};
    attributes.prog_type = type;
    attributes.insns = reinterpret_cast<uintptr_t>(code_.data());
    attributes.insn_cnt = static_cast<uint32_t>(code_.size());
    attributes.license = reinterpret_cast<uintptr_t>(license);
    std::strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
    return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
  }

 private:
  std::vector<bpf_insn> code_;
};

}  // namespace rxsteer
