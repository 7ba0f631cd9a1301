// front: guests without guests, for `rxsteer bench guests`: each a vhost-user front-end with one pair of split rings, all of
// them driven by one thread.
//
//   front SIZE FLOWS[/APART] PATH…
//
// There is an even number of guests: k sends to k^APART (1 if it is not given). Its frames are UDP, SIZE bytes, of FLOWS flows in turn; they lie in its memory from the beginning and are offered again as soon as they
// were taken, so that a frame costs this thread a descriptor each way. It polls: nobody calls it, and it kicks where that is
// asked for. While no ring moves it lets others have its processor. A line `SECONDS` on standard input makes all of them send for so long; one JSON object answers: frames that
// each guest was given in that time. `ready` comes first: each guest has sent one frame by itself, and another one has got
// it, so that the back-end knows whose address is where.
//
// Shares no code with the back-end. No protocol features: rings are enabled by their kick descriptors.
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kEntries = 1024;
constexpr uint32_t kBuffer = 2048;
constexpr uint32_t kHeader = 12;
constexpr uint64_t kVersion1 = 1ull << 32;
constexpr uint16_t kNoInterrupt = 1;
constexpr uint16_t kNoNotify = 1;
constexpr uint16_t kWrite = 2;
// Frames that a guest offers before another one has its turn.
constexpr uint32_t kBurst = 64;

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "front: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

struct Desc {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};
struct Avail {
  uint16_t flags;
  uint16_t idx;
  uint16_t ring[kEntries + 1];
};
struct Used {
  uint16_t flags;
  uint16_t idx;
  struct {
    uint32_t id;
    uint32_t length;
  } ring[kEntries];
  uint16_t event;
};

uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

// Ethernet, IPv4, UDP without checksum.
void writeFrame(uint8_t* at, uint32_t size, uint8_t from, uint8_t to, uint32_t flow) {
  std::memset(at, 0, size);
  const uint8_t macs[12] = {2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from};
  std::memcpy(at, macs, 12);
  put16(at + 12, 0x0800);
  uint8_t* ip = at + 14;
  ip[0] = 0x45;
  put16(ip + 2, size - 14);
  ip[8] = 64;
  ip[9] = 17;
  const uint8_t addresses[8] = {10, 0, 0, from, 10, 0, 0, to};
  std::memcpy(ip + 12, addresses, 8);
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(ip[i]) << 8 | ip[i + 1];
  put16(ip + 10, fold(sum));
  put16(ip + 20, 1024 + flow);
  put16(ip + 22, 9);
  put16(ip + 24, size - 34);
}

// One virtqueue as its driver has it.
struct Ring {
  Desc* desc = nullptr;
  Avail* avail = nullptr;
  Used* used = nullptr;
  int kick = -1;
  uint16_t next = 0;
  uint16_t last = 0;
  uint64_t total = 0;

  // Buffers that came back since.
  uint16_t back() const {
    return static_cast<uint16_t>(__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) - last);
  }
  void offer(uint16_t head) { avail->ring[next++ % kEntries] = head; }
  void publish() {
    if (avail->idx == next) return;
    __atomic_store_n(&avail->idx, next, __ATOMIC_RELEASE);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if ((__atomic_load_n(&used->flags, __ATOMIC_RELAXED) & kNoNotify) != 0) return;
    const uint64_t one = 1;
    if (::write(kick, &one, sizeof one) < 0) fail("kicking");
  }
};

class Guest {
 public:
  Guest(const std::string& path, uint8_t self, uint8_t peer, uint32_t size, uint32_t flows) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) fail(path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail(path);
    constexpr size_t ring = 65536;
    const size_t bytes = 2 * ring + 2 * size_t{kEntries} * kBuffer;
    memory_ = ::memfd_create("front", MFD_CLOEXEC);
    if (memory_ < 0 || ::ftruncate(memory_, static_cast<off_t>(bytes)) != 0) fail("memory");
    void* map = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory_, 0);
    if (map == MAP_FAILED) fail("memory");
    at_ = static_cast<uint8_t*>(map);
    rx = lay(at_, at_ + 2 * ring, kWrite, kBuffer);
    uint8_t* frames = at_ + 2 * ring + size_t{kEntries} * kBuffer;
    tx = lay(at_ + ring, frames, 0, kHeader + size);
    for (uint32_t k = 0; k < kEntries; k++) writeFrame(frames + k * kBuffer + kHeader, size, self, peer, k % flows);
    negotiate(bytes);
  }

  Ring rx;
  Ring tx;

  // Takes what came, and offers the buffers again; returns how many frames that were.
  uint32_t receive() {
    uint16_t count = rx.back();
    const uint32_t came = count;
    rx.total += count;
    for (; count > 0; count--) rx.offer(static_cast<uint16_t>(rx.used->ring[rx.last++ % kEntries].id));
    rx.publish();
    return came;
  }
  // Offers frames that were taken again, up to `most`; returns how many.
  uint32_t send(uint32_t most) {
    const uint16_t before = tx.next;
    uint32_t count = tx.back();
    if (fresh_ < kEntries) {
      for (uint32_t k = 0; k < most && fresh_ < kEntries; k++) tx.offer(static_cast<uint16_t>(fresh_++));
    } else {
      for (count = count < most ? count : most; count > 0; count--)
        tx.offer(static_cast<uint16_t>(tx.used->ring[tx.last++ % kEntries].id));
    }
    tx.publish();
    return static_cast<uint16_t>(tx.next - before);
  }

 private:
  Ring lay(uint8_t* area, uint8_t* buffers, uint16_t flags, uint32_t length) {
    Ring ring;
    ring.desc = reinterpret_cast<Desc*>(area);
    ring.avail = reinterpret_cast<Avail*>(area + 16 * kEntries);
    ring.used = reinterpret_cast<Used*>(area + 32 * kEntries);
    ring.avail->flags = kNoInterrupt;
    for (uint32_t k = 0; k < kEntries; k++)
      ring.desc[k] = {reinterpret_cast<uint64_t>(buffers + k * kBuffer), length, flags, 0};
    return ring;
  }

  void message(uint32_t request, const void* payload, uint32_t length, int fd = -1) {
    std::vector<uint8_t> data(12 + length);
    const uint32_t header[3] = {request, 1, length};
    std::memcpy(data.data(), header, 12);
    if (length > 0) std::memcpy(data.data() + 12, payload, length);
    iovec part{data.data(), data.size()};
    alignas(cmsghdr) uint8_t ancillary[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
      message.msg_control = ancillary;
      message.msg_controllen = sizeof ancillary;
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof fd);
      std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    if (::sendmsg(socket_, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(data.size())) fail("the back-end");
  }

  void negotiate(size_t bytes) {
    message(3, nullptr, 0);
    message(1, nullptr, 0);
    uint8_t reply[20];
    if (::recv(socket_, reply, sizeof reply, MSG_WAITALL) != sizeof reply) fail("the back-end's features");
    uint64_t offered;
    std::memcpy(&offered, reply + 12, sizeof offered);
    if ((offered & kVersion1) == 0) fail("no virtio 1");
    message(2, &kVersion1, sizeof kVersion1);
    const auto base = reinterpret_cast<uint64_t>(at_);
    const uint64_t table[5] = {1, base, bytes, base, 0};
    message(5, table, sizeof table, memory_);
    uint32_t index = 0;
    for (Ring* ring : {&rx, &tx}) {
      const uint32_t size[2] = {index, kEntries};
      const uint32_t first[2] = {index, 0};
      const uint64_t addresses[5] = {index, reinterpret_cast<uint64_t>(ring->desc), reinterpret_cast<uint64_t>(ring->used),
                                     reinterpret_cast<uint64_t>(ring->avail), 0};
      const uint64_t noCall = index | 0x100;
      const uint64_t which = index;
      ring->kick = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
      message(8, size, sizeof size);
      message(10, first, sizeof first);
      message(9, addresses, sizeof addresses);
      message(13, &noCall, sizeof noCall);
      if (index == 0)
        for (uint32_t k = 0; k < kEntries; k++) rx.offer(static_cast<uint16_t>(k));
      rx.avail->idx = rx.next;
      message(12, &which, sizeof which, ring->kick);
      index++;
    }
  }

  int socket_ = -1;
  int memory_ = -1;
  uint8_t* at_ = nullptr;
  // Frames that were never offered begin here.
  uint32_t fresh_ = 0;
};

using Guests = std::vector<std::unique_ptr<Guest>>;

uint64_t receiveAll(Guests& guests) {
  uint64_t total = 0;
  for (auto& guest : guests) {
    guest->receive();
    total += guest->rx.total;
  }
  return total;
}

// Each sends a frame by itself until somebody has got one: a back-end that is not up to it yet throws it away.
void introduce(Guests& guests) {
  for (auto& guest : guests) {
    const uint64_t before = receiveAll(guests);
    const auto patience = Clock::now() + std::chrono::seconds(10);
    while (receiveAll(guests) == before) {
      if (Clock::now() > patience) fail("no frame arrived within 10 seconds");
      guest->send(1);
      ::usleep(20'000);
    }
  }
}

void run(Guests& guests, double seconds) {
  receiveAll(guests);
  std::vector<uint64_t> before;
  for (auto& guest : guests) before.push_back(guest->rx.total);
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    uint32_t moved = 0;
    for (auto& guest : guests) moved += guest->receive() + guest->send(kBurst);
    // Guests with nothing to do give their processor to whoever has, as real ones do: those who look at the rings may have
    // no other one.
    if (moved == 0) ::sched_yield();
  }
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("{\"seconds\":%.6f,\"received\":[", took);
  for (size_t k = 0; k < guests.size(); k++)
    std::printf("%s%llu", k == 0 ? "" : ",", static_cast<unsigned long long>(guests[k]->rx.total - before[k]));
  std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "front SIZE FLOWS[/APART] PATH...\n");
    return 2;
  }
  const auto size = static_cast<uint32_t>(std::atoi(argv[1]));
  const auto flows = static_cast<uint32_t>(std::atoi(argv[2]));
  const char* slash = std::strchr(argv[2], '/');
  const int apart = slash == nullptr ? 1 : std::atoi(slash + 1);
  const int count = argc - 3;
  if (size < 60 || size > kBuffer - kHeader || flows < 1 || flows > kEntries || apart < 1 || ((count - 1) ^ apart) >= count ||
      count % (2 * apart) != 0) {
    errno = EINVAL;
    fail("SIZE, FLOWS, or a number of guests that leaves one without a peer");
  }
  Guests guests;
  for (int k = 0; k < count; k++)
    guests.push_back(std::make_unique<Guest>(argv[3 + k], static_cast<uint8_t>(k + 1), static_cast<uint8_t>((k ^ apart) + 1),
                                             size, flows));
  introduce(guests);
  std::puts("ready");
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) run(guests, std::atof(line));
  return 0;
}
