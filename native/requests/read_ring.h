// Reads from a file or block device through an io_uring of the calling thread's own.
//
// Promise: `run` makes one system call: it submits a burst of reads and takes what is complete. No more reads are under way
// than the ring has entries, each with a buffer of its own; what does not fit is not taken. The kernel reads into memory
// that lives until the ring is closed, and closing waits for what is under way (the kernel does, when the last reference of
// the ring goes). Raw system calls: no library.
//
// Threads: one environment's.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "util/args.h"
#include "util/env_state.h"
#include "util/fd.h"

struct io_uring_cqe;
struct io_uring_sqe;

namespace rxsteer {

// Memory mapped from a descriptor or anonymous; unmapped with its owner.
class Mapping {
 public:
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }
  // Throws SystemError. `fd` -1 = anonymous.
  void map(size_t length, int fd, uint64_t offset, const char* what);
  void reset();
  // Never unmaps it.
  void abandon() { data_ = nullptr; }
  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_ = nullptr;
  size_t length_ = 0;
};

class ReadRing final : public Napi::ObjectWrap<ReadRing>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ReadRing(const Napi::CallbackInfo& info);
  ~ReadRing() override { closeNow(); }
  void closeNow() override;

 private:
  Napi::Value run(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { closeNow(); }
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value underWay(const Napi::CallbackInfo& info);

  void setUp(const std::string& path, uint32_t entries, bool direct, bool polled);
  uint32_t take();

  uint32_t block_ = 0;
  double size_ = 0;
  UniqueFd file_;
  UniqueFd ring_;
  Mapping rings_;
  Mapping completions_;
  Mapping entries_;
  Mapping buffers_;
  uint32_t* sqTail_ = nullptr;
  uint32_t sqMask_ = 0;
  uint32_t* cqHead_ = nullptr;
  uint32_t* cqTail_ = nullptr;
  uint32_t cqMask_ = 0;
  io_uring_sqe* sqes_ = nullptr;
  io_uring_cqe* cqes_ = nullptr;
  // Written into the ring and not yet taken by the kernel.
  uint32_t pending_ = 0;
  std::vector<uint32_t> free_;
  std::vector<int32_t> tags_;
  Span<double> blocks_;
  Span<int32_t> asked_;
  Span<int32_t> done_;
  Span<int32_t> results_;
  Span<int32_t> cpus_;
  Napi::ObjectReference keep_;
};

}  // namespace rxsteer
