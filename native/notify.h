// Telling a service manager how a service does (sd_notify(3)): one datagram to a Unix socket, which Node has no call for.
//
// Promise: blocks for no longer than a second; the socket ends with the call.
#pragma once

#include <string>

namespace rxsteer {

// `address`: a path, or a name that begins with '@' for an abstract socket. The receiver learns of the kernel which process
// sent it. Throws SystemError.
void notifyService(const std::string& address, const std::string& message);

}  // namespace rxsteer
