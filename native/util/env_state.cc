#include "util/env_state.h"

namespace rxsteer {

Closable::~Closable() {
  if (state_ != nullptr) state_->objects_.erase(this);
}

void Closable::enlist(EnvState* state) {
  state_ = state;
  state->objects_.insert(this);
}

EnvState* EnvState::install(Napi::Env env) {
  auto* state = new EnvState();
  env.SetInstanceData<EnvState>(state);
  // Hooks run in the reverse order of their registration, and the environment registered its own (which deletes
  // instance data and wrapped objects) before loading us: so the state and all objects still exist here.
  env.AddCleanupHook([](EnvState* s) { s->closeAll(); }, state);
  return state;
}

int EnvState::adopt(UniqueFd fd, std::shared_ptr<void> with) {
  fds_.emplace(fd.get(), std::move(with));
  return fd.release();
}

bool EnvState::closeDescriptor(int fd) {
  if (fds_.erase(fd) == 0) return false;
  ::close(fd);
  return true;
}

void EnvState::closeAll() {
  for (Closable* object : objects_) {
    object->closeNow();
    object->state_ = nullptr;
  }
  objects_.clear();
  for (const auto& [fd, with] : fds_) ::close(fd);
  fds_.clear();
}

}  // namespace rxsteer
