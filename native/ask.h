// Asking the kernel: one netlink message and all of its replies, one ethtool structure.
//
// Promise: blocks for no longer than two seconds (a kernel that does not answer is ETIMEDOUT); the socket ends with the
// call. ethtool commands that change something are refused (EPERM) before the kernel sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "util/system_error.h"

namespace rxsteer {

// Sends a message to a netlink protocol; gives the messages of the reply, each with its header, up to the end of a dump
// or the acknowledgement. The kernel's error becomes the errno. Throws SystemError.
std::vector<std::vector<uint8_t>> askNetlink(int protocol, const uint8_t* message, size_t size);

// SIOCETHTOOL: `command` is read and filled by the kernel. Throws SystemError.
void askEthtool(const std::string& device, uint8_t* command, size_t size);

}  // namespace rxsteer
