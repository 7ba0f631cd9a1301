// Reading arguments of control calls; every mismatch is a one-line EINVAL error that names the argument.
//
// A typed array gives its pointer once, at construction of the object that uses it: the memory of a
// SharedArrayBuffer never moves, and asking for the pointer of a small private array moves its elements off the
// JavaScript heap for good, so the pointer stays valid as long as the array lives (the object keeps a reference).
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "util/errors.h"

namespace rxsteer {

template <typename T>
struct Span {
  T* data = nullptr;
  size_t length = 0;
};

inline Napi::Object objectArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsObject()) throw invalid(info.Env(), std::string(name) + " must be an object");
  return info[index].As<Napi::Object>();
}

inline int32_t intValue(Napi::Value value, const std::string& name) {
  if (!value.IsNumber()) throw invalid(value.Env(), name + " must be a number");
  return value.As<Napi::Number>().Int32Value();
}

inline int32_t intArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsNumber()) throw invalid(info.Env(), std::string(name) + " must be a number");
  return info[index].As<Napi::Number>().Int32Value();
}

inline std::string stringValue(Napi::Value value, const std::string& name) {
  if (!value.IsString()) throw invalid(value.Env(), name + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

inline Span<int32_t> int32s(Napi::Value value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
    throw invalid(value.Env(), name + " must be an Int32Array");
  auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.ElementLength()};
}

inline Span<double> doubles(Napi::Value value, const std::string& name, size_t least) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    throw invalid(value.Env(), name + " must be a Float64Array");
  auto array = value.As<Napi::Float64Array>();
  if (array.ElementLength() < least)
    throw invalid(value.Env(), name + " must have " + std::to_string(least) + " entries at least");
  return {array.Data(), array.ElementLength()};
}

inline Span<uint8_t> bytes(Napi::Value value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw invalid(value.Env(), name + " must be a Uint8Array");
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

// An interface name that the kernel can take (IFNAMSIZ - 1 = 15 bytes).
inline void checkInterfaceName(Napi::Env env, const std::string& name) {
  if (name.empty()) throw invalid(env, "the interface name is empty");
  if (name.size() > 15) throw invalid(env, "interface name \"" + name + "\" is longer than 15 bytes");
}

}  // namespace rxsteer
