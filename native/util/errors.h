// Errors of control calls: JavaScript `Error`s with `code` (an errno name) and a one-line message.
#pragma once

#include <napi.h>

#include <string>

namespace rxsteer {

// "ENODEV" for ENODEV; "E<number>" for one without a name.
std::string errnoName(int error);

// The error "<what>: <text of errno>[; <hint>]" with `code`. To be thrown.
Napi::Error errnoError(Napi::Env env, int error, const std::string& what, const std::string& hint = "");

// An EINVAL error with exactly this message.
Napi::Error invalid(Napi::Env env, const std::string& message);

}  // namespace rxsteer
