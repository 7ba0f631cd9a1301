// What the micro-benchmarks of the kernel boundary share. They run inside a network namespace with a veth pair
// b0 - b1 that bench/native/run.mjs makes; a failed system call ends them with its name.
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

constexpr int kVnet = 10;

inline int must(int value, const char* what) {
  if (value < 0) {
    std::perror(what);
    std::exit(1);
  }
  return value;
}

inline int64_t now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  must(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

template <typename T>
void option(int fd, int name, T value) {
  must(::setsockopt(fd, SOL_PACKET, name, &value, sizeof value), "setsockopt");
}

inline int packetSocket() { return must(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket"); }

inline void bindTo(int fd, const char* name, int protocol) {
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(::if_nametoindex(name));
  to.sll_protocol = htons(static_cast<uint16_t>(protocol));
  must(::bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), "bind");
}

inline void bigBuffers(int fd) {
  const int size = 64 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
}

// A 60-byte frame of the experimental ethertype, which no protocol handler takes, behind a zero virtio-net header.
inline void fillFrame(uint8_t* at) {
  std::memset(at, 0, kVnet + 60);
  at[kVnet] = 2;
  at[kVnet + 6] = 2;
  at[kVnet + 12] = 0x88;
  at[kVnet + 13] = 0xb5;
}

// Messages of one frame each, with or without virtio-net header.
struct Messages {
  explicit Messages(int n, bool vnet) : memory(static_cast<size_t>(n) * 2048), parts(n), headers(n) {
    for (int i = 0; i < n; i++) {
      uint8_t* at = &memory[static_cast<size_t>(i) * 2048 + 54];
      fillFrame(at);
      parts[i] = vnet ? iovec{at, kVnet + 60} : iovec{at + kVnet, 60};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::vector<uint8_t> memory;
  std::vector<iovec> parts;
  std::vector<mmsghdr> headers;
};

// A sending socket as the addon opens it.
inline int sender(const char* name, bool bypass, bool vnet) {
  const int fd = packetSocket();
  if (vnet) option(fd, PACKET_VNET_HDR, 1);
  if (bypass) option(fd, PACKET_QDISC_BYPASS, 1);
  bigBuffers(fd);
  bindTo(fd, name, 0);
  return fd;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(p * static_cast<double>(values.size())))];
}
