// What calls of the addon have in common that control something: errors, descriptors given away.
#pragma once

#include <napi.h>

#include <string>
#include <utility>

#include "util/args.h"
#include "util/env_state.h"
#include "util/fd.h"
#include "util/system_error.h"

namespace rxsteer {

using Info = Napi::CallbackInfo;

// Runs a control call; a failed system call becomes a JavaScript error whose text ends with `subject`.
template <typename Call>
auto control(Napi::Env env, const std::string& subject, Call call) {
  try {
    return call();
  } catch (const SystemError& failure) {
    throw errnoError(env, failure.error, subject.empty() ? failure.what : failure.what + " (" + subject + ")",
                     failure.hint);
  }
}

inline Napi::Number adopted(Napi::Env env, UniqueFd fd) {
  return Napi::Number::New(env, EnvState::of(env)->adopt(std::move(fd)));
}

}  // namespace rxsteer
