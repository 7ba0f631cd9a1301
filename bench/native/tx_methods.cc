// Sending 60-byte frames into a veth pair: sendmmsg with several batch sizes, with and without queueing discipline
// and virtio-net header, against a TPACKET_V2 transmit ring. Nanoseconds a frame on the sending core; the receive
// softirq of the far end (which drops the frames) runs there too, and is part of every number. Interleaved; medians.
#include <functional>
#include <memory>
#include <string>

#include "common.h"

namespace {

constexpr int kFrames = 8192;
constexpr int kRounds = 15;
constexpr uint32_t kSlots = 1024;

struct Method {
  virtual ~Method() = default;
  // Sends kFrames frames.
  virtual void run() = 0;
};

struct Sendmmsg final : Method {
  Sendmmsg(int batch, bool bypass, bool vnet) : fd(sender("b0", bypass, vnet)), messages(batch, vnet), n(batch) {}
  ~Sendmmsg() override { ::close(fd); }
  void run() override {
    for (int sent = 0; sent < kFrames;)
      sent += must(::sendmmsg(fd, messages.headers.data(), static_cast<unsigned>(n), MSG_DONTWAIT), "sendmmsg");
  }
  int fd;
  Messages messages;
  int n;
};

// One system call for `batch` slots. Each frame is copied into its slot, as a forwarder would have to.
struct TxRing final : Method {
  TxRing(int batch, bool withVnet) : n(batch), vnet(withVnet), fd(packetSocket()) {
    option(fd, PACKET_VERSION, int{TPACKET_V2});
    if (vnet) option(fd, PACKET_VNET_HDR, 1);
    option(fd, PACKET_QDISC_BYPASS, 1);
    bigBuffers(fd);
    tpacket_req request{64 << 10, kSlots * 2048 / (64 << 10), 2048, kSlots};
    option(fd, PACKET_TX_RING, request);
    void* at = ::mmap(nullptr, kSlots * 2048, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    must(at == MAP_FAILED ? -1 : 0, "mmap");
    ring = static_cast<uint8_t*>(at);
    bindTo(fd, "b0", 0);
    fillFrame(source);
  }
  ~TxRing() override {
    ::munmap(ring, kSlots * 2048);
    ::close(fd);
  }
  void run() override {
    const uint32_t length = vnet ? kVnet + 60 : 60;
    for (int sent = 0; sent < kFrames; sent += n) {
      for (int i = 0; i < n; i++) {
        auto* slot = reinterpret_cast<tpacket2_hdr*>(ring + (position++ & (kSlots - 1)) * 2048);
        while (__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
          must(static_cast<int>(::send(fd, nullptr, 0, 0)), "send");
        std::memcpy(reinterpret_cast<uint8_t*>(slot) + TPACKET2_HDRLEN - sizeof(sockaddr_ll),
                    vnet ? source : source + kVnet, length);
        slot->tp_len = length;
        __atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
      }
      must(static_cast<int>(::send(fd, nullptr, 0, MSG_DONTWAIT)), "send");
    }
  }
  int n;
  bool vnet;
  int fd;
  uint8_t* ring = nullptr;
  uint32_t position = 0;
  uint8_t source[kVnet + 60];
};

}  // namespace

int main() {
  pin(1);
  const std::vector<std::pair<std::string, std::function<std::unique_ptr<Method>()>>> methods = {
      {"sendmmsg 1, bypass, vnet", [] { return std::make_unique<Sendmmsg>(1, true, true); }},
      {"sendmmsg 32, bypass, vnet", [] { return std::make_unique<Sendmmsg>(32, true, true); }},
      {"sendmmsg 64, bypass, vnet", [] { return std::make_unique<Sendmmsg>(64, true, true); }},
      {"sendmmsg 256, bypass, vnet", [] { return std::make_unique<Sendmmsg>(256, true, true); }},
      {"sendmmsg 64, bypass", [] { return std::make_unique<Sendmmsg>(64, true, false); }},
      {"sendmmsg 64, qdisc, vnet", [] { return std::make_unique<Sendmmsg>(64, false, true); }},
      {"sendmmsg 64, qdisc", [] { return std::make_unique<Sendmmsg>(64, false, false); }},
      {"TX ring, 64 a call, bypass, vnet", [] { return std::make_unique<TxRing>(64, true); }},
      {"TX ring, 64 a call, bypass", [] { return std::make_unique<TxRing>(64, false); }},
      {"TX ring, 256 a call, bypass", [] { return std::make_unique<TxRing>(256, false); }},
  };
  std::vector<std::vector<double>> times(methods.size());
  for (int round = 0; round < kRounds; round++)
    for (size_t m = 0; m < methods.size(); m++) {
      auto method = methods[m].second();
      method->run();
      const int64_t start = now();
      method->run();
      times[m].push_back(static_cast<double>(now() - start) / kFrames);
    }
  std::printf("| send method | ns a frame, median | fastest |\n| --- | --- | --- |\n");
  for (size_t m = 0; m < methods.size(); m++)
    std::printf("| %s | %.0f | %.0f |\n", methods[m].first.c_str(), median(times[m]),
                *std::min_element(times[m].begin(), times[m].end()));
}
