// A program at a device's way out that takes VLAN tags out of the frame and puts them where the kernel keeps them.
//
// Why: a packet socket sends a tagged frame with the tag inside, and moves the network header behind the tag. The
// kernel's flow hash then takes the IP header for the tag: what it hashes is the packet's length, and a flow's frames of
// different lengths take different transmit queues and overtake each other. With the tag beside the frame
// (`skb->vlan_tci`), as the kernel's own VLAN devices send it, the hash is the flow's.
//
// Promise: for as long as the descriptor lives, every frame that leaves through the device with a tag inside is
// hashed by its flow; everything else passes untouched, and so does the frame on the wire. Nothing stays at the device.
//
// Source of the behaviour: packet_parse_headers (net/packet/af_packet.c), __skb_flow_dissect, BPF_TCX_EGRESS of
// Linux 6.18; the hook is there since 6.6.
#pragma once

#include "util/fd.h"

namespace rxsteer {

// For a device of the calling thread's network namespace; an empty descriptor where the kernel does not allow it.
UniqueFd openTagMover(int ifindex);

}  // namespace rxsteer
