// Which of a guest's receive rings each flow is in, and when it may change to another one.
//
// Promise: a bucket of flows has one ring at a time. It leaves it when the guest has taken all that the bucket was given
// there, so that nothing in the new ring can overtake anything in the old one; until then its frames go on into the old
// ring, or, where the guest has disabled that, are dropped as a full queue's (`kDisabledMs` at most: a guest that does not
// say what it has taken is believed then). Frames without bucket go where they are wanted.
//
// The kernel's TAP driver moves a flow at once (tun_flow_update: "TODO: keep queueing to old queue until it's empty").
//
// Threads: any, each with its own frames. A bucket's words are changed under the lock of the ring that it is in.
#pragma once

#include <cstdint>

#include "ports/frames.h"
#include "vhost/backend.h"

namespace rxsteer {

// How often another thread had a ring, and how long that was waited for.
struct LockWaits {
  double* contended;
  double* nanoseconds;
};

class FlowRings {
 public:
  // `words`: two a bucket, all of them 0 at first: the ring's pair + 1, and a position in it.
  FlowRings(int32_t* words, uint32_t buckets) : words_(words), buckets_(buckets) {}

  // Frames from … to - 1, a result each, in order; returns how many the guest got.
  // `wanted`: the pair whose ring a frame should be in; `bucket`: its flow's bucket, or -1.
  int32_t send(Backend& backend, SendArrays& in, const int32_t* wanted, const int32_t* bucket, int32_t from, int32_t to,
               LockWaits waits);

 private:
  enum class Place { here, elsewhere, shut };
  uint32_t ringOf(int32_t bucket, uint32_t wanted);
  Place placeOf(const SplitRing& ring, uint32_t pair, int32_t bucket, uint32_t wanted);

  int32_t* words_;
  uint32_t buckets_;
};

}  // namespace rxsteer
