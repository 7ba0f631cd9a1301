// What the addon keeps for one JavaScript environment (main thread or worker), so that it can be loaded once per thread.
// The only state beside it is that of AF_XDP sockets, which threads share (ports/xsk_socket.h).
//
// Promise: descriptors opened through this environment and objects made in it are released when it ends (its
// thread stops, or is terminated), if nobody closed them before. Used by the environment's own thread only.
#pragma once

#include <napi.h>
#include <poll.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "util/fd.h"

namespace rxsteer {

class EnvState;

// An object with kernel resources: releases them by closeNow(), and is called so when its environment ends.
class Closable {
 public:
  virtual void closeNow() = 0;

 protected:
  ~Closable();
  void enlist(EnvState* state);
  // The environment's state; null once it has ended.
  EnvState* envState() const { return state_; }

 private:
  friend class EnvState;
  EnvState* state_ = nullptr;
};

class EnvState {
 public:
  // Makes the state of an environment and hooks its end. Called once, from the addon's initialisation.
  static EnvState* install(Napi::Env env);
  static EnvState* of(Napi::Env env) { return env.GetInstanceData<EnvState>(); }

  EnvState() = default;
  EnvState(const EnvState&) = delete;
  EnvState& operator=(const EnvState&) = delete;

  // Takes ownership of a descriptor that is handed to JavaScript as a number; `with` is kept as long as it is open.
  int adopt(UniqueFd fd, std::shared_ptr<void> with = nullptr);
  // Closes an adopted descriptor. False where it is not one: closing a number that the kernel may have given to
  // somebody else meanwhile would be worse than not closing.
  bool closeDescriptor(int fd);

  // Incremented when a wait saw a descriptor in error: receivers then look at their device at once.
  uint32_t errorEpoch = 0;
  // What the last wait has asked for; kept so that no wait allocates.
  std::vector<pollfd> polled;

 private:
  friend class Closable;
  void closeAll();
  std::unordered_map<int, std::shared_ptr<void>> fds_;
  std::unordered_set<Closable*> objects_;
};

}  // namespace rxsteer
