// Netlink messages: links (rtnetlink), families and their groups (generic netlink).
//
// Promise: nothing outside the bytes is read; what a link is called is no longer than its attribute, and ends at a NUL.
#include "fuzz/exact.h"
#include "link.h"
#include "netlink.h"

using namespace rxsteer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Exact bytes = exact(data, size);
  size_t walked = 0;
  eachMessage(bytes.get(), size, [&](const NetlinkMessage& message) {
    walked += sizeof(nlmsghdr) + message.length;
    must(walked <= size);
    Link link;
    parseLink(message, link);
    for (const std::string& text : {link.name, link.qdisc, link.kind, link.mac})
      must(text.size() <= message.length + 17 && text.find('\0') == std::string::npos);
    GenericFamily family;
    parseFamily(message, "monitor", family);
    return true;
  });
  return 0;
}
