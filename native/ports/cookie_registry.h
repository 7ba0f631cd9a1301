// Sockets of this process by the kernel's cookie, so that a thread that gets a descriptor finds what belongs to it.
//
// Promise: a cookie is given once, so a descriptor's number that was closed and given again finds nothing. Any thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "util/system_error.h"

namespace rxsteer {

// 0 where the descriptor is no socket.
inline uint64_t socketCookie(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

template <typename T>
class CookieRegistry {
 public:
  // Never destroyed: threads may outlive static objects.
  static CookieRegistry& all() {
    static auto* one = new CookieRegistry();
    return *one;
  }

  // Throws SystemError for what is no socket.
  void enter(int fd, const std::shared_ptr<T>& known) {
    const uint64_t cookie = socketCookie(fd);
    check(cookie == 0 ? -1 : 0, "SO_COOKIE");
    const std::lock_guard<std::mutex> hold(lock_);
    for (auto at = known_.begin(); at != known_.end();) at = at->second.expired() ? known_.erase(at) : std::next(at);
    known_[cookie] = known;
  }

  // Null where nothing is known of it (any more).
  std::shared_ptr<T> find(int fd) {
    const uint64_t cookie = socketCookie(fd);
    const std::lock_guard<std::mutex> hold(lock_);
    const auto found = known_.find(cookie);
    return found == known_.end() ? nullptr : found->second.lock();
  }

 private:
  std::mutex lock_;
  std::unordered_map<uint64_t, std::weak_ptr<T>> known_;
};

}  // namespace rxsteer
