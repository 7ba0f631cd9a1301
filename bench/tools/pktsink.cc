// pktsink: receives what pktgen sent (perhaps through a forwarder) and checks it; or only counts or discards it.
//
//   pktsink --interface IF [--mode ring|counters|tc-drop|xdp-drop] [--packets N] [--duration SECONDS]
//           [--idle-ms N] [--first-flow F] [--max-flows N] [--cpu N]
//
// Modes
//   ring      a PACKET_RX_RING (TPACKET_V2: a frame is visible at once); every frame with pktgen's payload is
//             checked by flow and sequence. Promiscuous. Flows other than F … F + N - 1 are `foreignFlows`: copies that
//             a switch has flooded, say, of what another generator sends elsewhere.
//   counters  no socket at all: the interface's own counters (rx_packets, rx_dropped), before and after.
//   tc-drop   counters, and a one-instruction BPF program at tcx ingress that drops every frame.
//   xdp-drop  counters, and the same as native XDP.
//
// What a sink costs is paid by the *sender*: a veth's receive softirq runs on the core that transmits. Measured
// with pktgen (60-byte frames, one pinned core, veth to veth), CPU time per packet of the sender: see
// bench/tools/README.md. Use `counters` or `tc-drop` where the receiver must not be part of the measurement.
//
// It prints `ready` on standard error once it listens, ends on SIGTERM, SIGINT, after `packets` checked frames,
// after `duration`, or when nothing has come for `idle-ms` after the first frame; then prints one JSON object.
//
// Reordering follows RFC 4737: a frame is reordered when its sequence is below the next one expected (greatest
// seen + 1); its extent is the distance in arrivals back to the earliest arrival with a greater sequence.
// Duplicates are counted apart and are no arrivals. `lost` is what is missing below the greatest sequence seen of
// each flow: frames lost at a flow's end show only in comparison with what was sent. Extents and duplicates are
// exact within the last 512 in-order arrivals and 8192 sequences of a flow; beyond, `extentsClipped` and `late`
// count what could not be told. Latency is the kernel's receive time stamp minus the send time in the payload.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "common.h"

namespace {

volatile sig_atomic_t stopped = 0;
void on_signal(int) { stopped = 1; }

// Log-linear: 32 steps per power of two, so that a percentile is exact to 3 %.
class Histogram {
 public:
  void add(uint64_t ns) {
    count_++;
    sum_ += double(ns);
    least_ = std::min(least_, ns);
    most_ = std::max(most_, ns);
    buckets_[index(ns)]++;
  }
  void print(const char* name) const {
    if (count_ == 0) {
      printf("\"%s\":null", name);
      return;
    }
    printf("\"%s\":{\"count\":%lu,\"min\":%lu,\"mean\":%.0f,\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"p999\":%lu,\"max\":%lu}",
           name, count_, least_, sum_ / double(count_), at(0.5), at(0.9), at(0.99), at(0.999), most_);
  }

 private:
  static size_t index(uint64_t v) {
    if (v < 32) return size_t(v);
    const int exponent = 63 - __builtin_clzll(v);
    return size_t(exponent - 4) * 32 + size_t((v >> (exponent - 5)) & 31);
  }
  uint64_t at(double share) const {
    const double wanted = share * double(count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); i++) {
      seen += buckets_[i];
      if (double(seen) < wanted || seen == 0) continue;
      if (i < 32) return i;
      const uint64_t low = (32 + i % 32) << (i / 32 - 1);
      return std::min(low + (uint64_t(1) << (i / 32 - 1)) / 2, most_);
    }
    return most_;
  }
  uint64_t count_ = 0, least_ = UINT64_MAX, most_ = 0;
  double sum_ = 0;
  std::vector<uint64_t> buckets_ = std::vector<uint64_t>(60 * 32 + 32);
};

constexpr uint32_t kRecords = 512;    // in-order arrivals remembered per flow, for extents
constexpr uint32_t kWindow = 8192;    // sequences remembered per flow, for duplicates

// What is known of one flow. Everything it needs beyond counters is allocated with its first frame.
struct Flow {
  uint64_t received = 0, reordered = 0, duplicates = 0, late = 0;
  uint64_t next = 0;     // next expected sequence: greatest seen + 1
  uint32_t arrivals = 0; // received without duplicates
  uint32_t max_extent = 0;
  uint64_t extents_clipped = 0;
  // Arrivals that were the greatest so far: sequences ascend, so the earliest with a greater one is found by
  // bisection.
  std::vector<std::pair<uint32_t, uint32_t>> records = std::vector<std::pair<uint32_t, uint32_t>>(kRecords);
  uint32_t recorded = 0;
  std::vector<uint64_t> seen = std::vector<uint64_t>(kWindow / 64);

  bool mark(uint32_t sequence) {  // true when it was marked already
    uint64_t& word = seen[sequence % kWindow / 64];
    const uint64_t bit = uint64_t(1) << (sequence % 64);
    const bool was = (word & bit) != 0;
    word |= bit;
    return was;
  }

  void take(uint32_t sequence) {
    if (sequence >= next) {
      // Sequences that the window moves over were not seen yet.
      const uint64_t skipped = std::min<uint64_t>(sequence - next + 1, kWindow);
      for (uint64_t s = uint64_t(sequence) + 1 - skipped; s <= sequence; s++)
        seen[s % kWindow / 64] &= ~(uint64_t(1) << (s % 64));
      mark(sequence);
      next = uint64_t(sequence) + 1;
      records[recorded++ % kRecords] = {arrivals++, sequence};
      received++;
      return;
    }
    if (next - sequence > kWindow) {
      late++;  // reordered or duplicate: too old to tell
      return;
    }
    if (mark(sequence)) {
      duplicates++;
      return;
    }
    received++;
    reordered++;
    const uint32_t kept = std::min(recorded, kRecords);
    uint32_t low = recorded - kept, high = recorded - 1;  // the newest is greater than ours in any case
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (records[middle % kRecords].second > sequence) high = middle;
      else low = middle + 1;
    }
    if (recorded > kRecords && low == recorded - kept) extents_clipped++;
    max_extent = std::max(max_extent, arrivals - records[low % kRecords].first);
    arrivals++;
  }
};

struct Totals {
  uint64_t packets = 0, bytes = 0, checked = 0, other = 0, foreign_flows = 0;
};

// Offset of pktgen's payload, or -1. `length` bytes are there.
int find_payload(const uint8_t* p, int length) {
  int at = 12;
  if (length < 34) return -1;
  uint32_t type = get16(p + at);
  while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && at + 6 <= length) {
    at += 4;
    type = get16(p + at);
  }
  at += 2;
  int protocol;
  if (type == ETH_P_IP && at + 20 <= length) {
    protocol = p[at + 9];
    at += (p[at] & 15) * 4;
  } else if (type == ETH_P_IPV6 && at + 40 <= length) {
    protocol = p[at + 6];
    at += 40;
  } else {
    return -1;
  }
  at += protocol == IPPROTO_UDP ? 8 : protocol == IPPROTO_TCP ? 20 : 1 << 20;
  return at + kPayloadMin <= length && get32(p + at) == kMagic ? at : -1;
}

// A program of two instructions: return `verdict`.
int load_verdict(bpf_prog_type type, int verdict) {
  bpf_insn code[2]{};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  code[0].imm = verdict;
  code[1].code = BPF_JMP | BPF_EXIT;
  bpf_attr attr{};
  attr.prog_type = type;
  attr.insns = uint64_t(code);
  attr.insn_cnt = 2;
  attr.license = uint64_t("GPL");
  const int fd = int(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
  if (fd < 0) fail_errno("BPF_PROG_LOAD (needs CAP_BPF and CAP_NET_ADMIN)");
  return fd;
}

// Attached as long as this process lives: a BPF link goes with its descriptor.
void attach_drop(int index, bool xdp) {
  bpf_attr attr{};
  attr.link_create.prog_fd = uint32_t(xdp ? load_verdict(BPF_PROG_TYPE_XDP, 1 /* XDP_DROP */)
                                          : load_verdict(BPF_PROG_TYPE_SCHED_CLS, 2 /* TC_ACT_SHOT */));
  attr.link_create.target_ifindex = uint32_t(index);
  attr.link_create.attach_type = xdp ? BPF_XDP : bpf_attach_type(46) /* BPF_TCX_INGRESS, Linux 6.6 */;
  attr.link_create.flags = xdp ? 4 /* XDP_FLAGS_DRV_MODE */ : 0;
  if (syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof attr) < 0)
    fail_errno(xdp ? "attaching XDP_DROP" : "attaching the tcx drop program (since Linux 6.6)");
}

// The receive ring.
class Ring {
 public:
  explicit Ring(int index) {
    fd_ = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd_ < 0) fail_errno("socket(AF_PACKET) (needs CAP_NET_RAW)");
    const int version = TPACKET_V2;
    if (setsockopt(fd_, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) fail_errno("PACKET_VERSION");
    const int yes = 1;
    setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
    tpacket_req request{};
    request.tp_block_size = 1 << 20;
    request.tp_frame_size = kFrame;
    request.tp_block_nr = 64;
    request.tp_frame_nr = request.tp_block_nr * (request.tp_block_size / kFrame);
    if (setsockopt(fd_, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) fail_errno("PACKET_RX_RING");
    frames_ = request.tp_frame_nr;
    void* memory = mmap(nullptr, size_t(request.tp_block_nr) * request.tp_block_size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, fd_, 0);
    if (memory == MAP_FAILED) fail_errno("mmap of the ring");
    base_ = static_cast<uint8_t*>(memory);
    packet_mreq membership{};
    membership.mr_ifindex = index;
    membership.mr_type = PACKET_MR_PROMISC;
    setsockopt(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail_errno("bind");
  }

  // The next frame, or null.
  tpacket2_hdr* next() {
    auto* header = reinterpret_cast<tpacket2_hdr*>(base_ + size_t(at_) * kFrame);
    return __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER ? header : nullptr;
  }
  void release(tpacket2_hdr* header) {
    __atomic_store_n(&header->tp_status, uint32_t(TP_STATUS_KERNEL), __ATOMIC_RELEASE);
    if (++at_ == frames_) at_ = 0;
  }
  void wait(int timeout_ms) {
    pollfd p{fd_, POLLIN, 0};
    poll(&p, 1, timeout_ms);
  }
  uint64_t drops() {
    tpacket_stats stats{};
    socklen_t length = sizeof stats;
    if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0) dropped_ += stats.tp_drops;
    return dropped_;
  }

 private:
  // Long frames are cut: headers and payload start are all that is looked at; the length is told anyway.
  static constexpr uint32_t kFrame = 512;
  int fd_;
  uint8_t* base_;
  uint32_t frames_, at_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options(argc, argv, {"interface", "mode", "packets", "duration", "idle-ms", "first-flow", "max-flows", "cpu"});
  const std::string interface = options.required("interface");
  const int index = interface_index(interface);
  const std::string mode = options.text("mode", "ring");
  if (mode != "ring" && mode != "counters" && mode != "tc-drop" && mode != "xdp-drop")
    fail(2, "--mode " + mode + ": ring, counters, tc-drop or xdp-drop");
  const uint64_t packets = uint64_t(options.number("packets", 0, 0, 1e15));
  const double duration = options.number("duration", 0, 0, 1e6);
  const uint64_t idle_ns = uint64_t(options.number("idle-ms", 0, 0, 1e9) * 1e6);
  const uint32_t first_flow = uint32_t(options.number("first-flow", 0, 0, 60000));
  const size_t max_flows = size_t(options.number("max-flows", 65536, 1, 1 << 20));
  pin_to(options);

  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);

  std::unique_ptr<Ring> ring;
  if (mode == "ring") ring = std::make_unique<Ring>(index);
  else if (mode != "counters") attach_drop(index, mode == "xdp-drop");
  const uint64_t rx_before = statistic(interface, "rx_packets");
  const uint64_t bytes_before = statistic(interface, "rx_bytes");
  const uint64_t dropped_before = statistic(interface, "rx_dropped");
  const auto rx = [&] { return statistic(interface, "rx_packets") - rx_before; };
  fprintf(stderr, "ready\n");

  std::vector<std::unique_ptr<Flow>> flows(max_flows);
  Totals totals;
  Histogram latency;
  const uint64_t start = now_ns();
  const uint64_t end = duration > 0 ? start + uint64_t(duration * 1e9) : UINT64_MAX;
  uint64_t first = 0, last = 0;  // arrival times of the first and the last frame
  // What lay in the ring when it was stopped is counted still, but no more than a ring holds.
  bool is_empty = false;
  for (int passes = 0; !stopped || (ring && !is_empty && passes < 1024); passes += stopped ? 1 : 0) {
    const uint64_t now = now_ns();
    if (now >= end) break;
    // Not while frames lie there: it may be this program that had no CPU.
    if (idle_ns > 0 && last > 0 && now > last + idle_ns && (!ring || ring->next() == nullptr)) break;
    if (packets > 0 && (ring ? totals.checked : totals.packets) >= packets) break;
    if (!ring) {
      const uint64_t count = rx();
      if (count != totals.packets) {
        if (first == 0) first = now;
        last = now;
        totals.packets = count;
      }
      const timespec t{0, 2000000};
      nanosleep(&t, nullptr);
      continue;
    }
    // Kernel time stamps are CLOCK_REALTIME; the payload's are monotonic.
    const uint64_t offset = now_ns(CLOCK_REALTIME) - now_ns();
    int taken = 0;
    for (tpacket2_hdr* header; taken < 256 && (header = ring->next()) != nullptr; taken++) {
      const uint8_t* p = reinterpret_cast<uint8_t*>(header) + header->tp_mac;
      totals.packets++;
      totals.bytes += header->tp_len + ((header->tp_status & TP_STATUS_VLAN_VALID) ? 4 : 0);
      const uint64_t arrival = uint64_t(header->tp_sec) * 1000000000u + header->tp_nsec - offset;
      const int at = find_payload(p, int(header->tp_snaplen));
      if (at < 0) {
        totals.other++;
      } else {
        totals.checked++;
        const uint32_t id = get32(p + at + 4) - first_flow;  // wraps for those before it
        if (id >= max_flows) {
          totals.foreign_flows++;
        } else {
          if (!flows[id]) flows[id] = std::make_unique<Flow>();
          flows[id]->take(get32(p + at + 8));
        }
        if (first == 0) first = arrival;
        last = arrival;
        if (at + kPayloadTimed <= int(header->tp_snaplen)) {
          const uint64_t sent = get64(p + at + 12);
          if (sent != 0 && sent <= arrival) latency.add(arrival - sent);
        }
      }
      ring->release(header);
    }
    is_empty = taken == 0;
    if (is_empty && !stopped) ring->wait(idle_ns > 0 ? std::max(1, int(idle_ns / 1000000)) : 50);
  }

  if (!ring) {
    totals.packets = rx();
    totals.bytes = statistic(interface, "rx_bytes") - bytes_before;
  }
  Flow sum;
  uint64_t lost = 0, unique = 0;
  uint32_t seen_flows = 0, reordered_flows = 0;
  for (const auto& flow : flows) {
    if (!flow) continue;
    seen_flows++;
    unique += flow->received;
    // `late` frames were received, too, unless they were duplicates: then lost is too small by as many.
    lost += flow->next - std::min(flow->next, flow->received + flow->late);
    sum.reordered += flow->reordered;
    sum.duplicates += flow->duplicates;
    sum.late += flow->late;
    sum.extents_clipped += flow->extents_clipped;
    sum.max_extent = std::max(sum.max_extent, flow->max_extent);
    if (flow->reordered + flow->late > 0) reordered_flows++;
  }
  const double span = last > first ? double(last - first) / 1e9 : 0;
  printf("{\"mode\":\"%s\",\"packets\":%lu,\"bytes\":%lu,\"checked\":%lu,\"other\":%lu,\"foreignFlows\":%lu,"
         "\"kernelDrops\":%lu,\"rxDropped\":%lu,\"spanMs\":%.3f,\"packetsPerSecond\":%.0f,",
         mode.c_str(), totals.packets, totals.bytes, totals.checked, totals.other, totals.foreign_flows,
         ring ? ring->drops() : 0, statistic(interface, "rx_dropped") - dropped_before, span * 1e3,
         span > 0 ? double(ring ? totals.checked : totals.packets) / span : 0.0);
  printf("\"flows\":%u,\"unique\":%lu,\"lost\":%lu,\"duplicates\":%lu,\"late\":%lu,"
         "\"reordered\":{\"packets\":%lu,\"flows\":%u,\"ratio\":%.9g,\"maxExtent\":%u,\"extentsClipped\":%lu},",
         seen_flows, unique, lost, sum.duplicates, sum.late, sum.reordered, reordered_flows,
         unique > 0 ? double(sum.reordered) / double(unique) : 0.0, sum.max_extent, sum.extents_clipped);
  latency.print("latencyNs");
  printf("}\n");
  return 0;
}
