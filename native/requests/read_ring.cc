#include "requests/read_ring.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "util/control.h"

// The numbers are the same on every architecture; headers before 5.1 do not have them.
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#endif
#ifndef __NR_io_uring_enter
#define __NR_io_uring_enter 426
#endif

namespace rxsteer {

namespace {

constexpr uint32_t kEntriesMax = 4096;
constexpr uint32_t kBlockMax = 1 << 20;

template <typename T>
T* at(const Mapping& mapping, uint32_t offset) {
  return reinterpret_cast<T*>(mapping.data() + offset);
}

double sizeOf(int fd) {
  // Not fstat: that is a symbol of glibc 2.33.
  struct statx found {};
  check(::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &found), "statx");
  if (S_ISREG(found.stx_mode)) return static_cast<double>(found.stx_size);
  if (!S_ISBLK(found.stx_mode)) throw SystemError{ENOTBLK, "open", "a regular file or a block device is read"};
  uint64_t bytes = 0;
  check(::ioctl(fd, BLKGETSIZE64, &bytes), "ioctl BLKGETSIZE64");
  return static_cast<double>(bytes);
}

}  // namespace

void Mapping::map(size_t length, int fd, uint64_t offset, const char* what) {
  const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
  void* found = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, kind, fd, static_cast<off_t>(offset));
  if (found == MAP_FAILED) throw SystemError{errno, what, ""};
  data_ = static_cast<uint8_t*>(found);
  length_ = length;
}

void Mapping::reset() {
  if (data_ != nullptr) ::munmap(data_, length_);
  data_ = nullptr;
}

Napi::Function ReadRing::define(Napi::Env env) {
  return DefineClass(env, "ReadRing",
                     {InstanceAccessor<&ReadRing::size>("size"), InstanceAccessor<&ReadRing::underWay>("underWay"),
                      InstanceMethod<&ReadRing::run>("run"), InstanceMethod<&ReadRing::close>("close")});
}

// path, entries, bytes of a block, direct, polled, {blocks, asked, done, results, cpus}.
ReadRing::ReadRing(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  const std::string path = stringValue(info[0], "path");
  const int32_t entries = intArgument(info, 1, "entries");
  const int32_t block = intArgument(info, 2, "blockBytes");
  if (entries < 1 || static_cast<uint32_t>(entries) > kEntriesMax) throw invalid(env, "entries must be from 1 to 4096");
  if (block < 512 || static_cast<uint32_t>(block) > kBlockMax || (block & (block - 1)) != 0)
    throw invalid(env, "blockBytes must be a power of two from 512 to 1048576");
  const Napi::Object arrays = objectArgument(info, 5, "arrays");
  const auto least = static_cast<size_t>(entries);
  blocks_ = doubles(arrays.Get("blocks"), "blocks", least);
  const auto words = [&](const char* name) {
    const Span<int32_t> found = int32s(arrays.Get(name), name);
    if (found.length < least) throw invalid(env, std::string(name) + " must have an entry for each of the ring");
    return found;
  };
  asked_ = words("asked");
  done_ = words("done");
  results_ = words("results");
  cpus_ = words("cpus");
  block_ = static_cast<uint32_t>(block);
  const bool direct = info[3].ToBoolean().Value();
  const bool polled = info[4].ToBoolean().Value();
  control(env, path, [&] { setUp(path, static_cast<uint32_t>(entries), direct, polled); });
  keep_ = Napi::Persistent(arrays);
  enlist(EnvState::of(env));
}

void ReadRing::setUp(const std::string& path, uint32_t entries, bool direct, bool polled) {
  // Not to wait for the other end of a pipe.
  file_ = UniqueFd(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (direct ? O_DIRECT : 0)), "open"));
  size_ = sizeOf(file_.get());
  io_uring_params params{};
  if (polled) params.flags |= IORING_SETUP_IOPOLL;
  ring_ = UniqueFd(check(static_cast<int>(::syscall(__NR_io_uring_setup, entries, &params)), "io_uring_setup",
                         "the kernel or a container refuses io_uring: see kernel.io_uring_disabled"));
  const size_t submission = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  const size_t completion = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  rings_.map(submission, ring_.get(), IORING_OFF_SQ_RING, "mmap of the submission ring");
  completions_.map(completion, ring_.get(), IORING_OFF_CQ_RING, "mmap of the completion ring");
  entries_.map(params.sq_entries * sizeof(io_uring_sqe), ring_.get(), IORING_OFF_SQES, "mmap of the entries");
  buffers_.map(size_t{entries} * block_, -1, 0, "mmap of the buffers");
  sqTail_ = at<uint32_t>(rings_, params.sq_off.tail);
  sqMask_ = params.sq_entries - 1;
  cqHead_ = at<uint32_t>(completions_, params.cq_off.head);
  cqTail_ = at<uint32_t>(completions_, params.cq_off.tail);
  cqMask_ = params.cq_entries - 1;
  sqes_ = at<io_uring_sqe>(entries_, 0);
  cqes_ = at<io_uring_cqe>(completions_, params.cq_off.cqes);
  uint32_t* const order = at<uint32_t>(rings_, params.sq_off.array);
  for (uint32_t i = 0; i < params.sq_entries; i++) order[i] = i;
  tags_.resize(entries);
  for (uint32_t slot = entries; slot > 0; slot--) free_.push_back(slot - 1);
}

void ReadRing::closeNow() {
  // The kernel may write into the buffers until the ring's requests have ended: they are waited for before the memory goes.
  while (ring_ && (pending_ > 0 || free_.size() < tags_.size())) {
    const long got = ::syscall(__NR_io_uring_enter, ring_.get(), pending_, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
    if (got < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) break;
    if (got > 0) pending_ -= std::min(pending_, static_cast<uint32_t>(got));
    while (take() > 0) {
    }
  }
  // Where the kernel does not let us wait, memory that it may still write into is never used again.
  if (free_.size() < tags_.size()) buffers_.abandon();
  ring_.reset();
  file_.reset();
  entries_.reset();
  completions_.reset();
  rings_.reset();
  buffers_.reset();
}

// Complete reads into the arrays, from their beginning; returns how many.
uint32_t ReadRing::take() {
  uint32_t head = *cqHead_;
  const uint32_t tail = __atomic_load_n(cqTail_, __ATOMIC_ACQUIRE);
  const int cpu = ::sched_getcpu();
  uint32_t n = 0;
  for (; head != tail && n < tags_.size(); head++, n++) {
    const io_uring_cqe& cqe = cqes_[head & cqMask_];
    const auto slot = static_cast<uint32_t>(cqe.user_data);
    done_.data[n] = tags_[slot];
    results_.data[n] = cqe.res;
    cpus_.data[n] = cpu;
    free_.push_back(slot);
  }
  __atomic_store_n(cqHead_, head, __ATOMIC_RELEASE);
  return n;
}

// Reads `count` of `blocks`, told apart by `asked`, and waits for `least` completions. Never throws. Returns how many are
// complete, or -errno where the system call failed.
Napi::Value ReadRing::run(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int32_t count = 0;
  int32_t least = 0;
  napi_get_value_int32(env, info[0], &count);
  napi_get_value_int32(env, info[1], &least);
  if (!ring_) return Napi::Number::New(env, -EBADF);
  const auto wanted = static_cast<uint32_t>(std::clamp<int64_t>(count, 0, static_cast<int64_t>(free_.size())));
  uint32_t tail = *sqTail_;
  for (uint32_t i = 0; i < wanted; i++, tail++) {
    const uint32_t slot = free_.back();
    free_.pop_back();
    tags_[slot] = asked_.data[i];
    io_uring_sqe& sqe = sqes_[tail & sqMask_];
    std::memset(&sqe, 0, sizeof sqe);
    sqe.opcode = IORING_OP_READ;
    sqe.fd = file_.get();
    // A block number that is none (negative, not a number) reads nothing: the kernel says EINVAL.
    const double block = blocks_.data[i];
    sqe.off = block >= 0 && block < 9007199254740992.0 / block_ ? static_cast<uint64_t>(block) * block_ : ~uint64_t{1};
    sqe.addr = reinterpret_cast<uint64_t>(buffers_.data()) + size_t{slot} * block_;
    sqe.len = block_;
    sqe.user_data = slot;
  }
  __atomic_store_n(sqTail_, tail, __ATOMIC_RELEASE);
  pending_ += wanted;
  const auto under = static_cast<uint32_t>(tags_.size() - free_.size());
  const auto wait = static_cast<uint32_t>(std::clamp<int64_t>(least, 0, under));
  const long got = ::syscall(__NR_io_uring_enter, ring_.get(), pending_, wait, IORING_ENTER_GETEVENTS, nullptr, 0);
  const int error = errno;
  if (got > 0) pending_ -= std::min(pending_, static_cast<uint32_t>(got));
  const uint32_t taken = take();
  const bool isBusy = got < 0 && (error == EINTR || error == EAGAIN || error == EBUSY);
  if (got < 0 && !isBusy && taken == 0) return Napi::Number::New(env, -error);
  return Napi::Number::New(env, taken);
}

Napi::Value ReadRing::size(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), size_); }

Napi::Value ReadRing::underWay(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(tags_.size() - free_.size()));
}

}  // namespace rxsteer
