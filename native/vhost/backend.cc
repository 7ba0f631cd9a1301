#include "vhost/backend.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <unordered_map>

#include "util/system_error.h"

namespace rxsteer {

namespace {

// A worker's burst is over in microseconds; one that was descheduled in it comes back within some tens of milliseconds.
constexpr auto kPatience = std::chrono::seconds(5);

std::mutex known;
std::unordered_map<int32_t, std::weak_ptr<Backend>> backends;
int32_t lastNumber = 0;

// An eventfd of the front-end's; nothing that is done to its counter may keep a worker waiting.
void takeEvent(const UniqueFd& fd, const char* what) {
  if (!drainEvent(fd.get())) throw SystemError{EINVAL, what, ""};
  check(::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK), what);
}

}  // namespace

Backend::Backend(uint32_t wanted) : pairs(wanted) {
  always_ = UniqueFd(check(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
  trouble_ = UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
  for (uint32_t q = 0; q < pairs; q++) {
    rings_.push_back(std::make_unique<LockedRing>());
    rings_.push_back(std::make_unique<LockedRing>());
  }
  events_ = UniqueFd(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
}

std::unique_lock<BurstLock> Backend::hold(uint32_t index) {
  std::unique_lock<BurstLock> lock(rings_[index]->mutex, std::try_to_lock);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!lock.owns_lock()) {
    if (std::chrono::steady_clock::now() > until) throw SystemError{EBUSY, "a worker stands still on the ring", ""};
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    [[maybe_unused]] const bool taken = lock.try_lock();
  }
  return lock;
}

// The ring that the guest sends on is listened to from now on, or not any more.
void Backend::watch(uint32_t index, bool on) {
  LockedRing& locked = *rings_[index];
  if (index % 2 == 0 || on == locked.watched) return;
  locked.watched = on;
  epoll_event event{};
  event.events = EPOLLIN;
  const int fd = locked.ring.kick();
  // Without kicks: the first of such rings brings it in, the last takes it out.
  if (fd < 0 && (on ? silent_++ : --silent_) > 0) return;
  ::epoll_ctl(events_.get(), on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd < 0 ? always_.get() : fd, &event);
}

void Backend::setFeatures(uint64_t features) {
  for (uint32_t i = 0; i < 2 * pairs; i++) {
    const auto lock = hold(i);
    rings_[i]->ring.setFeatures(features);
  }
}

void Backend::setMemory(std::vector<std::shared_ptr<Region>> regions) {
  memory_ = std::make_shared<const GuestMemory>(std::move(regions));
  // A ring that lies in memory that is not there any more ends; the front-end hears of the first.
  const SystemError* first = nullptr;
  SystemError failure{};
  for (uint32_t i = 0; i < 2 * pairs; i++) {
    const auto lock = hold(i);
    try {
      rings_[i]->ring.setMemory(memory_);
    } catch (const SystemError& error) {
      failure = error;
      first = &failure;
    }
  }
  if (first != nullptr) throw SystemError(*first);
}

void Backend::setLog(std::shared_ptr<const DirtyLog> log) {
  log_ = std::move(log);
  for (uint32_t i = 0; i < 2 * pairs; i++) {
    const auto lock = hold(i);
    rings_[i]->ring.setLog(log_);
  }
}

const std::vector<std::shared_ptr<Region>>& Backend::regions() const {
  static const std::vector<std::shared_ptr<Region>> none;
  return memory_ == nullptr ? none : memory_->regions();
}

void Backend::setSize(uint32_t index, uint32_t entries) {
  const auto lock = hold(index);
  rings_[index]->ring.setSize(entries);
}

void Backend::setBase(uint32_t index, uint32_t next) {
  if (next > 0xffff) throw SystemError{EINVAL, "a ring's base beyond 65535", ""};
  const auto lock = hold(index);
  if (rings_[index]->ring.started()) throw SystemError{EBUSY, "a ring's base while it runs", ""};
  rings_[index]->ring.setBase(next);
}

void Backend::setAddresses(uint32_t index, const SplitRing::Addresses& addresses) {
  const auto lock = hold(index);
  rings_[index]->ring.setAddresses(addresses);
}

void Backend::start(uint32_t index, UniqueFd kick) {
  if (kick) takeEvent(kick, "a kick descriptor that is no eventfd");
  const auto lock = hold(index);
  SplitRing& ring = rings_[index]->ring;
  watch(index, false);
  ring.setKick(std::move(kick));
  ring.start();
  watch(index, true);
  // What lies there already was kicked for before: the worker is to look.
  const uint64_t one = 1;
  if (ring.kick() >= 0) [[maybe_unused]] const ssize_t wrote = ::write(ring.kick(), &one, sizeof one);
}

void Backend::setCall(uint32_t index, UniqueFd call) {
  if (call) takeEvent(call, "a call descriptor that is no eventfd");
  const auto lock = hold(index);
  rings_[index]->ring.setCall(std::move(call));
}

void Backend::enable(uint32_t index, bool on) {
  const auto lock = hold(index);
  rings_[index]->ring.enable(on);
}

uint32_t Backend::stop(uint32_t index) {
  const auto lock = hold(index);
  SplitRing& ring = rings_[index]->ring;
  watch(index, false);
  return ring.stop();
}

void Backend::reset() {
  for (uint32_t i = 0; i < 2 * pairs; i++) {
    const auto lock = hold(i);
    SplitRing& ring = rings_[i]->ring;
    watch(i, false);
    ring.reset();
    ring.enable(false);
  }
  memory_.reset();
  log_.reset();
}

void Backend::report(const SplitRing& ring) {
  if (!ring.damaged()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(trouble_.get(), &one, sizeof one);
}

const char* Backend::broken() {
  drainEvent(trouble_.get());
  if ((memory_ != nullptr && memory_->lost()) || (log_ != nullptr && log_->lost())) return "its memory was cut short";
  for (uint32_t i = 0; i < 2 * pairs; i++) {
    const auto lock = hold(i);
    if (const char* why = rings_[i]->ring.broken()) return why;
  }
  return nullptr;
}

int32_t enter(const std::shared_ptr<Backend>& backend) {
  const std::lock_guard<std::mutex> lock(known);
  std::erase_if(backends, [](const auto& entry) { return entry.second.expired(); });
  backends.emplace(++lastNumber, backend);
  return lastNumber;
}

std::shared_ptr<Backend> findBackend(int32_t number) {
  const std::lock_guard<std::mutex> lock(known);
  const auto found = backends.find(number);
  return found == backends.end() ? nullptr : found->second.lock();
}

}  // namespace rxsteer
