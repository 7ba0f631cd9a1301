// Unix stream sockets with descriptors (SCM_RIGHTS), as vhost-user has them, and who is told when they have something.
//
// Promise: nothing here waits. Descriptors that come along are the caller's; those beyond what it has room for are closed.
#pragma once

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "util/env_state.h"
#include "util/fd.h"
#include "util/heard.h"

namespace rxsteer {

// A listening socket; one that a dead process left at the path is replaced. Throws SystemError (EADDRINUSE: a live one).
UniqueFd listenUnix(const std::string& path);
// Throws SystemError.
UniqueFd connectUnix(const std::string& path);
// Empty where nobody waits.
UniqueFd acceptUnix(int fd);

// The process at the other end, as it was when it connected or began to listen; 0: not of this PID namespace.
pid_t peerOf(int fd);

struct Received {
  // Bytes; 0: the peer has closed; -1: nothing now.
  ssize_t length;
  std::vector<UniqueFd> fds;
};
Received receiveUnix(int fd, uint8_t* into, size_t most);
// False where the peer is gone, or does not take its replies.
bool sendUnix(int fd, const uint8_t* data, size_t length);

// Tells of members that became readable: `heard` is called in the event loop, and `take` says which they are; each is
// told of once until it is armed again.
class SocketEvents final : public Napi::ObjectWrap<SocketEvents>, public Closable {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SocketEvents(const Napi::CallbackInfo& info);
  ~SocketEvents() override { closeNow(); }
  void closeNow() override;

 private:
  void wait();
  void arm(const Napi::CallbackInfo& info);
  void remove(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { closeNow(); }

  UniqueFd all_;
  UniqueFd end_;
  Heard callback_;
  std::mutex mutex_;
  // Readable, and not taken yet. Under the mutex.
  std::vector<int> ready_;
  std::thread waiting_;
};

}  // namespace rxsteer
