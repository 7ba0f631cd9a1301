// What frames and their virtio-net headers are judged by.
//
// Promise: nothing outside the message is read; a header that is found fine describes a checksum inside the frame, and a
// number of segments that can be counted.
#include "fuzz/exact.h"
#include "ports/super_frame.h"
#include "ports/vnet.h"

using namespace rxsteer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kVnetBytes) return 0;
  const Exact message = exact(data, size);
  const auto length = static_cast<uint32_t>(size - kVnetBytes);
  VnetHeader header = readVnet(message.get());
  isTcp(message.get() + kVnetBytes, length);
  describesOutermost(message.get(), length);
  segmentationOf(message.get());
  if (judgeVnet(header, length) != VnetVerdict::fine) return 0;
  const int32_t flags = vnetFlags(header);
  if ((flags & kFlagNeedsCsum) != 0) must(uint32_t{header.csumStart} + header.csumOffset + 2 <= length);
  must(furtherSegments(header, length) <= kSegmentsMost);
  must((flags & kFlagGso) == 0 || header.gsoSize != 0);
  vnetShiftForTag(header);
  return 0;
}
