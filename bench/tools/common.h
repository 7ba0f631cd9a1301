// What the traffic tools share: option parsing, clocks, and the payload by which frames are recognised.
//
// Payload (after the UDP or TCP header), all big-endian:
//   0  magic 'RXSQ'
//   4  flow id, u32
//   8  sequence within the flow, u32, from 0
//  12  send time, u64, nanoseconds of CLOCK_MONOTONIC; 0 = unused; absent in frames without room for it
//      (a 60-byte UDP/IPv4 frame has 18 bytes of payload)
#pragma once

#include <sched.h>
#include <arpa/inet.h>
#include <net/if.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <initializer_list>
#include <map>
#include <string>

constexpr uint32_t kMagic = 0x52585351;  // 'RXSQ'
constexpr int kPayloadMin = 12;
constexpr int kPayloadTimed = 20;

inline uint64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t;
  clock_gettime(clock, &t);
  return uint64_t(t.tv_sec) * 1000000000u + uint64_t(t.tv_nsec);
}

[[noreturn]] inline void fail(int code, const std::string& message) {
  fprintf(stderr, "%s\n", message.c_str());
  exit(code);
}

[[noreturn]] inline void fail_errno(const std::string& what) {
  fail(1, what + ": " + strerror(errno));
}

// `--key value` pairs; anything else is an error that lists what there is.
class Options {
 public:
  Options(int argc, char** argv, std::initializer_list<const char*> known) {
    std::string names;
    for (const char* name : known) {
      values_[name] = "";
      names += std::string(" --") + name;
    }
    for (int i = 1; i < argc; i += 2) {
      const std::string key = argv[i];
      if (key.rfind("--", 0) != 0 || !values_.count(key.substr(2))) fail(2, key + ": known options:" + names);
      if (i + 1 >= argc) fail(2, key + ": needs a value");
      values_[key.substr(2)] = argv[i + 1];
    }
  }

  bool given(const char* name) const { return !values_.at(name).empty(); }

  std::string text(const char* name, const std::string& otherwise) const {
    return given(name) ? values_.at(name) : otherwise;
  }

  std::string required(const char* name) const {
    if (!given(name)) fail(2, std::string("--") + name + " is missing");
    return values_.at(name);
  }

  double number(const char* name, double otherwise, double least, double most) const {
    if (!given(name)) return otherwise;
    const std::string& value = values_.at(name);
    char* end = nullptr;
    const double n = strtod(value.c_str(), &end);
    if (*end != 0 || !(n >= least && n <= most))
      fail(2, std::string("--") + name + " " + value + ": not a number from " + std::to_string(least) + " to " +
                  std::to_string(most));
    return n;
  }

  bool flag(const char* name, bool otherwise) const {
    const std::string value = text(name, otherwise ? "on" : "off");
    if (value != "on" && value != "off") fail(2, std::string("--") + name + " " + value + ": on or off");
    return value == "on";
  }

 private:
  std::map<std::string, std::string> values_;
};

inline void pin_to(const Options& options) {
  if (!options.given("cpu")) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(int(options.number("cpu", 0, 0, 1023)), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail_errno("--cpu " + options.text("cpu", ""));
}

inline int interface_index(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) fail(2, "--interface " + name + ": no such interface");
  return int(index);
}

// One counter of /sys/class/net/NAME/statistics (of the namespace that /sys was mounted in).
inline uint64_t statistic(const std::string& interface, const char* name) {
  std::ifstream file("/sys/class/net/" + interface + "/statistics/" + name);
  uint64_t value = 0;
  file >> value;
  return value;
}

// CPU time of this process: user, and system (softirqs that run in its system calls are charged there).
struct CpuTime {
  uint64_t total_ns;
  static CpuTime now() { return {now_ns(CLOCK_PROCESS_CPUTIME_ID)}; }
};

inline void put16(uint8_t* p, uint32_t v) {
  p[0] = uint8_t(v >> 8);
  p[1] = uint8_t(v);
}
inline void put32(uint8_t* p, uint32_t v) {
  const uint32_t n = htonl(v);
  memcpy(p, &n, 4);
}
inline void put64(uint8_t* p, uint64_t v) {
  put32(p, uint32_t(v >> 32));
  put32(p + 4, uint32_t(v));
}
inline uint32_t get16(const uint8_t* p) { return uint32_t(p[0]) << 8 | p[1]; }
inline uint32_t get32(const uint8_t* p) {
  uint32_t n;
  memcpy(&n, p, 4);
  return ntohl(n);
}
inline uint64_t get64(const uint8_t* p) { return uint64_t(get32(p)) << 32 | get32(p + 4); }
