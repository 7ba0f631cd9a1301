// The steering program of a multi-queue TAP.
#pragma once

namespace rxsteer {

// TUNSETSTEERINGEBPF: from now on the interface chooses the queue by the program's result modulo the number of
// queues, and learns nothing from what is written. -1 takes the program away. False where the kernel refuses.
//
// Why: without a program tun remembers on which queue a flow was last *written* and moves the flow's reading side
// there (tun_flow_update), so a forwarder that writes a flow from another worker would reorder it.
bool setTapSteering(int tap, int program);

}  // namespace rxsteer
