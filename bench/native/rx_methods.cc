// Receiving 60-byte frames: TPACKET_V2 ("hybrid": frames beyond a slot come through the receive queue), TPACKET_V3
// with several block timers, recvmmsg. For each:
//   kernel ns   time of the sending core per frame while this receiver is attached (veth delivers there)
//   user ns     time of the receiving core per frame, copying it into a pool, from a ring that the other core filled
//   latency us  from before the send of a lone frame to after its receipt by a thread asleep in poll(2)
// Rounds of all methods are interleaved; medians.
#include <poll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common.h"

namespace {

constexpr int kFill = 4096;
constexpr int kRounds = 15;
constexpr int kPings = 120;
constexpr size_t kRingBytes = 16 << 20;

// Where frames go, like the pool's small slots used in rotation.
struct Pool {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(128 * 2048);
  uint32_t next = 0;
  uint8_t* take() { return &bytes[(next++ & 127) * 2048 + 54]; }
};

struct Method {
  explicit Method(std::string n) : name(std::move(n)), fd(packetSocket()) {}
  virtual ~Method() {
    if (ring != nullptr) ::munmap(ring, kRingBytes);
    ::close(fd);
  }
  // Takes what is there, without blocking; returns the number of frames.
  virtual int drain() = 0;
  void start() {
    bigBuffers(fd);
    option(fd, 23 /* PACKET_IGNORE_OUTGOING */, 1);
    bindTo(fd, "b1", ETH_P_ALL);
  }
  void map() {
    void* at = ::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    must(at == MAP_FAILED ? -1 : 0, "mmap");
    ring = static_cast<uint8_t*>(at);
  }
  std::string name;
  int fd;
  uint8_t* ring = nullptr;
  Pool pool;
};

struct RingV2 final : Method {
  RingV2(std::string n, int prefetchDistance) : Method(std::move(n)), prefetch(prefetchDistance) {
    option(fd, PACKET_VERSION, int{TPACKET_V2});
    option(fd, PACKET_VNET_HDR, 1);
    option(fd, PACKET_COPY_THRESH, 1);
    tpacket_req request{64 << 10, kRingBytes / (64 << 10), 2048, kRingBytes / 2048};
    option(fd, PACKET_RX_RING, request);
    map();
    start();
  }
  int drain() override {
    int n = 0;
    for (;; n++, position++) {
      auto* slot = reinterpret_cast<tpacket2_hdr*>(ring + (position & (kRingBytes / 2048 - 1)) * 2048);
      if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return n;
      if (prefetch > 0) {
        const uint8_t* ahead = ring + ((position + prefetch) & (kRingBytes / 2048 - 1)) * 2048;
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
        __builtin_prefetch(ahead + 128);
      }
      std::memcpy(pool.take(), reinterpret_cast<uint8_t*>(slot) + slot->tp_mac - kVnet, slot->tp_snaplen + kVnet);
      __atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    }
  }
  const int prefetch;
  uint32_t position = 0;
};

struct RingV3 final : Method {
  static constexpr uint32_t kBlock = 256 << 10;
  RingV3(std::string n, unsigned timerMs) : Method(std::move(n)) {
    option(fd, PACKET_VERSION, int{TPACKET_V3});
    option(fd, PACKET_VNET_HDR, 1);
    tpacket_req3 request{};
    request.tp_block_size = kBlock;
    request.tp_block_nr = kRingBytes / kBlock;
    request.tp_frame_size = 2048;
    request.tp_frame_nr = kRingBytes / 2048;
    request.tp_retire_blk_tov = timerMs;
    option(fd, PACKET_RX_RING, request);
    map();
    start();
  }
  int drain() override {
    int n = 0;
    for (;;) {
      auto* block = reinterpret_cast<tpacket_block_desc*>(ring + (position % (kRingBytes / kBlock)) * kBlock);
      if ((__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return n;
      const uint32_t count = block->hdr.bh1.num_pkts;
      auto* at = reinterpret_cast<uint8_t*>(block) + block->hdr.bh1.offset_to_first_pkt;
      for (uint32_t i = 0; i < count; i++) {
        const auto* header = reinterpret_cast<const tpacket3_hdr*>(at);
        __builtin_prefetch(at + header->tp_next_offset);
        std::memcpy(pool.take(), at + header->tp_mac - kVnet, header->tp_snaplen + kVnet);
        at += header->tp_next_offset;
      }
      n += static_cast<int>(count);
      __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
      position++;
    }
  }
  uint32_t position = 0;
};

struct Recvmmsg final : Method {
  explicit Recvmmsg(std::string n) : Method(std::move(n)), messages(64, true) {
    option(fd, PACKET_VNET_HDR, 1);
    start();
  }
  int drain() override {
    int n = 0;
    for (;;) {
      for (auto& part : messages.parts) part.iov_len = 1984;
      const int got = ::recvmmsg(fd, messages.headers.data(), 64, MSG_DONTWAIT, nullptr);
      if (got <= 0) return n;
      n += got;
      if (got < 64) return n;
    }
  }
  Messages messages;
};

struct Result {
  std::vector<double> kernel, user, latency;
  int64_t lost = 0;
};

void fillRound(Method& method, int tx, Messages& burst, Result& result) {
  while (method.drain() > 0) {
  }
  std::thread filler([&] {
    pin(0);
    const int64_t start = now();
    for (int sent = 0; sent < kFill;)
      sent += must(::sendmmsg(tx, burst.headers.data(), 64, 0), "sendmmsg");
    result.kernel.push_back(static_cast<double>(now() - start) / kFill);
  });
  filler.join();
  // The last block of a V3 ring is handed over by its timer.
  ::usleep(10'000);
  const int64_t start = now();
  int got = 0;
  while (got < kFill) {
    const int n = method.drain();
    if (n == 0) break;
    got += n;
  }
  result.user.push_back(static_cast<double>(now() - start) / std::max(got, 1));
  result.lost += kFill - got;
}

void pingRounds(Method& method, int tx, Messages& one, Result& result) {
  while (method.drain() > 0) {
  }
  std::atomic<int64_t> sentAt{0};
  std::atomic<bool> done{false};
  std::thread pinger([&] {
    pin(0);
    for (int i = 0; i < kPings; i++) {
      ::usleep(1000);
      const int64_t at = now();
      sentAt.store(at);
      must(::sendmmsg(tx, one.headers.data(), 1, 0), "sendmmsg");
      for (int k = 0; k < 40 && sentAt.load() != 0; k++) ::usleep(500);
    }
    done.store(true);
  });
  while (!done.load()) {
    pollfd p{method.fd, POLLIN, 0};
    if (::poll(&p, 1, 20) <= 0) continue;
    if (method.drain() > 0) {
      const int64_t at = sentAt.exchange(0);
      if (at != 0) result.latency.push_back(static_cast<double>(now() - at) / 1000);
    }
  }
  pinger.join();
}

}  // namespace

int main() {
  pin(1);
  const int tx = sender("b0", true, true);
  Messages burst(64, true);
  const std::vector<std::pair<std::string, std::function<std::unique_ptr<Method>()>>> methods = {
      {"TPACKET_V2 hybrid", [] { return std::make_unique<RingV2>("", 0); }},
      {"TPACKET_V2 hybrid, prefetch 1", [] { return std::make_unique<RingV2>("", 1); }},
      {"TPACKET_V2 hybrid, prefetch 2", [] { return std::make_unique<RingV2>("", 2); }},
      {"TPACKET_V2 hybrid, prefetch 4", [] { return std::make_unique<RingV2>("", 4); }},
      {"TPACKET_V3, timer 1 ms", [] { return std::make_unique<RingV3>("", 1); }},
      {"TPACKET_V3, default timer", [] { return std::make_unique<RingV3>("", 0); }},
      {"recvmmsg 64", [] { return std::make_unique<Recvmmsg>(""); }},
  };
  std::vector<Result> results(methods.size());
  for (int round = 0; round < kRounds; round++)
    for (size_t m = 0; m < methods.size(); m++) {
      auto method = methods[m].second();
      fillRound(*method, tx, burst, results[m]);  // the first pass touches the ring's pages
      results[m].kernel.pop_back();
      results[m].user.pop_back();
      fillRound(*method, tx, burst, results[m]);
      if (round == 0) pingRounds(*method, tx, burst, results[m]);
    }
  std::printf("| receive method | kernel ns | user ns | lone packet us, median | p99 | lost |\n");
  std::printf("| --- | --- | --- | --- | --- | --- |\n");
  for (size_t m = 0; m < methods.size(); m++) {
    Result& r = results[m];
    std::printf("| %s | %.0f | %.0f | %.0f | %.0f | %lld |\n", methods[m].first.c_str(), median(r.kernel),
                median(r.user), median(r.latency), percentile(r.latency, 0.99), static_cast<long long>(r.lost));
  }
}
