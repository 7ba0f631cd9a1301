// What the kernel still has for a program when it stops receiving, and whether it has room for more descriptors. No
// JavaScript here; nothing throws.
#pragma once

#include <cstdint>
#include <vector>

namespace rxsteer {

// An RCU grace period: what any CPU had begun in the kernel's data path (with an old filter, an old program) is over.
void gracePeriod();

// Frames wait behind a descriptor that nobody has taken.
bool readable(int fd);

// From the return on these packet sockets take in nothing more; what is in their rings stays there.
void stopReceiving(const std::vector<int>& sockets);

// Frames in the ring of such a socket that nobody has taken. 0 for what has no ring.
uint32_t packetUnread(int socket);

// Takes and counts the frames in a TAP's queue, at most as many as a queue can have: a sender that goes on sending
// cannot hold the caller.
uint32_t tapUnread(int queue);

// Whether so many descriptors can be opened at this moment.
bool canOpenDescriptors(uint32_t count);

}  // namespace rxsteer
