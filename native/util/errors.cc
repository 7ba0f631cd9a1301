#include "util/errors.h"

#include <cerrno>
#include <cstring>

namespace rxsteer {

std::string errnoName(int error) {
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? std::string(name) : std::string("E").append(std::to_string(error));
}

static Napi::Error withCode(Napi::Env env, int error, const std::string& message) {
  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", Napi::String::New(env, errnoName(error)));
  return result;
}

Napi::Error errnoError(Napi::Env env, int error, const std::string& what, const std::string& hint) {
  const char* text = ::strerrordesc_np(error);
  std::string message = what + ": " + (text != nullptr ? text : errnoName(error));
  if (!hint.empty()) message += "; " + hint;
  return withCode(env, error, message);
}

Napi::Error invalid(Napi::Env env, const std::string& message) { return withCode(env, EINVAL, message); }

}  // namespace rxsteer
