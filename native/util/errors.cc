#include "util/errors.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace rxsteer {

namespace {

struct Named {
  int error;
  const char* name;
};

// The C libraries that know names by number are newer than the oldest one that this runs with, or know none.
#define N(name) \
  Named { name, #name }
constexpr Named kNames[] = {
    N(EPERM),           N(ENOENT),          N(ESRCH),         N(EINTR),        N(EIO),             N(ENXIO),
    N(E2BIG),           N(ENOEXEC),         N(EBADF),         N(ECHILD),       N(EAGAIN),          N(ENOMEM),
    N(EACCES),          N(EFAULT),          N(ENOTBLK),       N(EBUSY),        N(EEXIST),          N(EXDEV),
    N(ENODEV),          N(ENOTDIR),         N(EISDIR),        N(EINVAL),       N(ENFILE),          N(EMFILE),
    N(ENOTTY),          N(ETXTBSY),         N(EFBIG),         N(ENOSPC),       N(ESPIPE),          N(EROFS),
    N(EMLINK),          N(EPIPE),           N(EDOM),          N(ERANGE),       N(EDEADLK),         N(ENAMETOOLONG),
    N(ENOLCK),          N(ENOSYS),          N(ENOTEMPTY),     N(ELOOP),        N(ENOMSG),          N(EIDRM),
    N(ECHRNG),          N(EL2NSYNC),        N(EL3HLT),        N(EL3RST),       N(ELNRNG),          N(EUNATCH),
    N(ENOCSI),          N(EL2HLT),          N(EBADE),         N(EBADR),        N(EXFULL),          N(ENOANO),
    N(EBADRQC),         N(EBADSLT),         N(EBFONT),        N(ENOSTR),       N(ENODATA),         N(ETIME),
    N(ENOSR),           N(ENONET),          N(ENOPKG),        N(EREMOTE),      N(ENOLINK),         N(EADV),
    N(ESRMNT),          N(ECOMM),           N(EPROTO),        N(EMULTIHOP),    N(EDOTDOT),         N(EBADMSG),
    N(EOVERFLOW),       N(ENOTUNIQ),        N(EBADFD),        N(EREMCHG),      N(ELIBACC),         N(ELIBBAD),
    N(ELIBSCN),         N(ELIBMAX),         N(ELIBEXEC),      N(EILSEQ),       N(ERESTART),        N(ESTRPIPE),
    N(EUSERS),          N(ENOTSOCK),        N(EDESTADDRREQ),  N(EMSGSIZE),     N(EPROTOTYPE),      N(ENOPROTOOPT),
    N(EPROTONOSUPPORT), N(ESOCKTNOSUPPORT), N(EOPNOTSUPP),    N(EPFNOSUPPORT), N(EAFNOSUPPORT),    N(EADDRINUSE),
    N(EADDRNOTAVAIL),   N(ENETDOWN),        N(ENETUNREACH),   N(ENETRESET),    N(ECONNABORTED),    N(ECONNRESET),
    N(ENOBUFS),         N(EISCONN),         N(ENOTCONN),      N(ESHUTDOWN),    N(ETOOMANYREFS),    N(ETIMEDOUT),
    N(ECONNREFUSED),    N(EHOSTDOWN),       N(EHOSTUNREACH),  N(EALREADY),     N(EINPROGRESS),     N(ESTALE),
    N(EUCLEAN),         N(ENOTNAM),         N(ENAVAIL),       N(EISNAM),       N(EREMOTEIO),       N(EDQUOT),
    N(ENOMEDIUM),       N(EMEDIUMTYPE),     N(ECANCELED),     N(ENOKEY),       N(EKEYEXPIRED),     N(EKEYREVOKED),
    N(EKEYREJECTED),    N(EOWNERDEAD),      N(ENOTRECOVERABLE), N(ERFKILL),    N(EHWPOISON),
};
#undef N

// What `strerror_r` is depends on the C library: GNU's returns the text, that of POSIX a status.
[[maybe_unused]] const char* textOf(const char* text, const char*) { return text; }
[[maybe_unused]] const char* textOf(int, const char* text) { return text; }

Napi::Error withCode(Napi::Env env, int error, const std::string& message) {
  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", Napi::String::New(env, errnoName(error)));
  return result;
}

}  // namespace

std::string errnoName(int error) {
  for (const Named& named : kNames) {
    if (named.error == error) return named.name;
  }
  return "E" + std::to_string(error);
}

Napi::Error errnoError(Napi::Env env, int error, const std::string& what, const std::string& hint) {
  std::array<char, 256> text{};
  std::string message = what + ": " + textOf(::strerror_r(error, text.data(), text.size()), text.data());
  if (!hint.empty()) message += "; " + hint;
  return withCode(env, error, message);
}

Napi::Error invalid(Napi::Env env, const std::string& message) { return withCode(env, EINVAL, message); }

}  // namespace rxsteer
