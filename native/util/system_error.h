// A failed system call, for code that knows no JavaScript.
#pragma once

#include <cerrno>
#include <string>

namespace rxsteer {

// `what` names the system call and its object; `hint` says what to do about it, or is empty.
struct SystemError {
  int error;
  std::string what;
  std::string hint;
};

// The value of a system call, or SystemError with errno.
inline int check(int value, const char* what, const std::string& hint = "") {
  if (value < 0) throw SystemError{errno, what, hint};
  return value;
}

}  // namespace rxsteer
