// What the kernel tells of an interface, by rtnetlink and ethtool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "netlink.h"
#include "util/system_error.h"

namespace rxsteer {

struct Link {
  std::string name;
  int index = 0;
  bool up = false;
  bool running = false;
  uint32_t mtu = 0;
  std::string mac;
  uint32_t rxQueues = 1;
  uint32_t txQueues = 1;
  std::string qdisc;
  std::string master;
  std::string kind;
  bool tso = false;
  // IPv4, and IPv6 of global scope.
  uint32_t addresses = 0;
  // Number of the XDP program that is attached; 0 = none.
  uint32_t xdpProgram = 0;
  // Frames that the device dropped on their way out, where its counters were asked for.
  uint64_t txDropped = 0;
};

// What an RTM_NEWLINK message says; other messages say nothing.
void parseLink(const NetlinkMessage& message, Link& link);

// Nothing where there is no such interface. Throws SystemError.
std::optional<Link> readLink(const std::string& name);

// The same by its name in another network namespace of which a descriptor is given: flags, MTU, counters; no queues in
// use, no addresses. Nothing where there is none. Throws SystemError.
std::optional<Link> readLinkIn(int space, const std::string& name);

// Whether a network namespace is that of the calling thread.
bool isOwnNamespace(int space);

// IFF_UP. Throws SystemError.
void setLinkUp(const std::string& name);

// SIOCSIFMTU. Throws SystemError.
void setMtu(const std::string& name, int mtu);

}  // namespace rxsteer
