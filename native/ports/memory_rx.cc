// Promise: for every burst the frames, their order and the arrays are those of the TypeScript source
// (src/dataplane/ports/memory/source.ts), which says what they mean; the position lies in the shared state words after
// every call. Nothing is allocated, nothing throws. Belongs to the thread that bound it.
#include "ports/memory_rx.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ports/frames.h"
#include "util/args.h"
#include "util/bound.h"
#include "wait.h"

namespace rxsteer {

namespace {

constexpr uint32_t kTemplateBytes = 60;
// Templates lie a cache line apart, zeroes behind the 60 bytes: a frame's first line is copied whole.
constexpr size_t kTemplateStride = 64;
constexpr size_t kTemplateWords = kTemplateStride / 4;
constexpr uint32_t kFrameBytesMax = 1984;
constexpr int32_t kShareOne = 1 << 20;
constexpr double kCatchUpMs = 250;
// 7 : 4 : 1 over 12 frames.
constexpr std::array<uint16_t, 12> kImix = {60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60};

// Words of `call` and of `clock`.
enum { kCallMax, kCallCount, kCallWords };
enum { kClockIndex, kClockStartMs, kClockBase, kClockWords };

uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

void putBig16(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}

struct Source {
  FramePool pool;
  ReceiveArrays out;
  const uint8_t* templates = nullptr;
  const int32_t* ipSums = nullptr;
  const int32_t* udpSums = nullptr;
  int32_t* state = nullptr;
  int32_t* call = nullptr;
  double* clock = nullptr;
  std::vector<Napi::ObjectReference> keep;

  uint32_t flows = 0, elephants = 0, step = 0, seedMix = 0, size = 0;
  int32_t heavyShare = 0;
  double burst = 0, rate = 0, packets = 0, originNs = 0;
  bool stamped = false;

  // The position: see `SourcePlace`.
  uint64_t index = 0, round = 0, heavyRound = 0;
  uint32_t place = 0, flow = 0, heavyPlace = 0, phase = 0;
  int32_t credit = 0;
  double startMs = -1, base = 0;
  // When this burst was due, as frames say it.
  uint32_t low = 0, high = 0;

  uint32_t firstOf(uint64_t ofRound) const { return mix(seedMix ^ static_cast<uint32_t>(ofRound)) % flows; }
  double dueNumber() const {
    const double given = static_cast<double>(index) - base;
    return given - std::fmod(given, burst);
  }

  int32_t due(int32_t max, double nowMs);
  template <bool Mixed, bool Stamped>
  void writeRun(int32_t i, int32_t end, uint32_t& from, uint64_t ofRound);
  void write(int32_t i, int32_t end, uint32_t& from, uint64_t ofRound);
  void writeOrdinary(int32_t i, int32_t end);
  void receive();
};

int32_t Source::due(int32_t max, double nowMs) {
  const double most = std::min(static_cast<double>(max), packets - static_cast<double>(index));
  if (rate == 0) return static_cast<int32_t>(most);
  if (startMs < 0) {
    startMs = nowMs;
    base = static_cast<double>(index);
  }
  const double given = static_cast<double>(index) - base;
  const double behindMs = nowMs - startMs - given * 1000 / rate;
  if (behindMs > kCatchUpMs + burst * 1000 / rate) startMs += behindMs - kCatchUpMs;
  const double bursts = std::floor((nowMs - startMs) * rate / (1000 * burst)) + 1;
  return static_cast<int32_t>(std::min(bursts * burst - given, most));
}

// Frames i … end - 1 of the burst, all of one round, the first from template `from`, which becomes the one after the last.
// Locals throughout: any store through a word pointer might be to a member, which would be loaded again.
template <bool Mixed, bool Stamped>
void Source::writeRun(int32_t i, int32_t end, uint32_t& from, uint64_t ofRound) {
  const FreeList slots = pool.small;
  const FramePool::SmallSlots frames = pool.smallSlots();
  const ReceiveArrays::Columns columns = out.columns();
  const uint8_t* const lines = templates;
  const int32_t* const udp = udpSums;
  const uint32_t count = flows, stride = step, fixed = size;
  const auto sequence = static_cast<uint32_t>(ofRound);
  const uint32_t roundSum = (sequence & 0xffff) + (sequence >> 16);
  const uint32_t swapped = __builtin_bswap32(sequence);
  const uint32_t stampLow = low, stampHigh = high;
  int32_t top = slots.words[0];
  uint32_t t = from;
  for (; i < end; i++, top--) {
    uint32_t length = fixed;
    if constexpr (Mixed) {
      length = kImix[phase];
      phase = phase + 1 == kImix.size() ? 0 : phase + 1;
    }
    const int32_t id = slots.words[top];
    const uint32_t off = frames.offset(id);
    uint8_t* to = frames.bytes + off;
    std::memcpy(to, lines + t * kTemplateStride, kTemplateStride);
    if constexpr (Stamped) {
      std::memcpy(to + 52, &stampLow, 4);
      std::memcpy(to + 56, &stampHigh, 4);
    } else {
      const uint32_t sum = fold(static_cast<uint32_t>(udp[t]) + roundSum + 2 * (length - 34)) ^ 0xffff;
      putBig16(to + 40, sum == 0 ? 0xffff : sum);
    }
    std::memcpy(to + 48, &swapped, 4);
    if constexpr (Mixed) {
      putBig16(to + 16, length - 14);
      putBig16(to + 24, fold(static_cast<uint32_t>(ipSums[t]) + length - 14) ^ 0xffff);
      putBig16(to + 38, length - 34);
    }
    if (length > kTemplateStride) std::memset(to + kTemplateStride, 0, length - kTemplateStride);
    columns.id[i] = id;
    columns.off[i] = static_cast<int32_t>(off);
    columns.len[i] = static_cast<int32_t>(length);
    columns.flags[i] = 0;
    t += stride;
    if (t >= count) t -= count;
  }
  slots.words[0] = top;
  from = t;
}

void Source::write(int32_t i, int32_t end, uint32_t& from, uint64_t ofRound) {
  if (size == 0)
    stamped ? writeRun<true, true>(i, end, from, ofRound) : writeRun<true, false>(i, end, from, ofRound);
  else
    stamped ? writeRun<false, true>(i, end, from, ofRound) : writeRun<false, false>(i, end, from, ofRound);
}

void Source::writeOrdinary(int32_t i, int32_t end) {
  while (i < end) {
    const int32_t count = static_cast<int32_t>(std::min(static_cast<uint32_t>(end - i), flows - place));
    write(i, i + count, flow, round);
    i += count;
    place += static_cast<uint32_t>(count);
    if (place == flows) {
      place = 0;
      flow = firstOf(++round);
    }
  }
}

void Source::receive() {
  out.clearStatus();
  call[kCallCount] = 0;
  const int32_t max = std::min(call[kCallMax], out.capacity());
  const double ns = rate > 0 || stamped ? monotonicNs() : 0;
  const double nowMs = (ns - originNs) / 1e6;
  const int32_t most = due(max, nowMs);
  if (most <= 0) return;
  const int32_t n = std::min(most, pool.small.words[0]);
  if (n < most) out.status[kStatusStopped] = kStoppedNoSmall;
  if (stamped) {
    // When the burst was due; 0 in the high half stands for "not stamped".
    const double at = rate > 0 ? ns - (nowMs - startMs - dueNumber() * 1000 / rate) * 1e6 : ns;
    const auto stamp = static_cast<uint64_t>(std::max(at, 0.0));
    low = static_cast<uint32_t>(stamp);
    high = 1 + static_cast<uint32_t>(stamp >> 32);
  }
  int32_t from = 0;
  for (int32_t i = 0; elephants > 0 && i < n; i++) {
    credit += heavyShare;
    if (credit < kShareOne) continue;
    credit -= kShareOne;
    writeOrdinary(from, i);
    from = i + 1;
    uint32_t heavy = flows + heavyPlace;
    write(i, i + 1, heavy, heavyRound);
    if (++heavyPlace == elephants) {
      heavyPlace = 0;
      heavyRound++;
    }
  }
  writeOrdinary(from, n);
  index += static_cast<uint64_t>(n);
  state[0] = static_cast<int32_t>(static_cast<uint32_t>(index));
  state[1] = static_cast<int32_t>(static_cast<uint32_t>(index >> 32));
  clock[kClockIndex] = static_cast<double>(index);
  clock[kClockStartMs] = startMs;
  clock[kClockBase] = base;
  call[kCallCount] = n;
}

void receiveBound(Source& source) { source.receive(); }

double numberOf(Napi::Object options, const char* name, double least, double most) {
  const Napi::Value value = options.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= least && number <= most))
    throw invalid(options.Env(), std::string(name) + " must be a number from " + std::to_string(least) + " to " +
                                     std::to_string(most));
  return number;
}

Span<int32_t> keepWords(Source& source, Napi::Value value, const char* name, size_t least) {
  const Span<int32_t> span = int32s(value, name);
  if (span.length < least)
    throw invalid(value.Env(), std::string(name) + " must have " + std::to_string(least) + " words at least");
  source.keep.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return span;
}

// Options, pool, arrays, state words, call words, clock.
Napi::Value bindMemorySource(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto source = std::make_unique<Source>();
  const Napi::Object options = objectArgument(info, 0, "options");
  source->pool.bind(objectArgument(info, 1, "pool"));
  source->out.bind(objectArgument(info, 2, "arrays"));
  source->state = keepWords(*source, info[3], "state", 2).data;
  source->call = keepWords(*source, info[4], "call", kCallWords).data;
  source->clock = doubles(info[5], "clock", kClockWords).data;
  source->keep.push_back(Napi::Persistent(info[5].As<Napi::Object>()));

  constexpr double kFlowsMax = 1 << 20;
  const auto take = [&](const char* name, double least, double most) { return numberOf(options, name, least, most); };
  const auto word = [&](const char* name, double most) { return static_cast<uint32_t>(take(name, 0, most)); };
  source->flows = word("flows", kFlowsMax);
  source->elephants = word("elephants", kFlowsMax);
  const double flows = source->flows;
  const double elephants = source->elephants;
  source->step = word("step", std::max(0.0, flows - 1));
  source->place = word("place", std::max(0.0, flows - 1));
  source->flow = word("flow", std::max(0.0, flows - 1));
  source->heavyPlace = word("heavyPlace", std::max(0.0, elephants - 1));
  source->phase = word("phase", kImix.size() - 1);
  source->seedMix = word("seedMix", UINT32_MAX);
  source->size = word("size", kFrameBytesMax);
  if (source->size != 0 && source->size < kTemplateBytes) throw invalid(env, "size must be 0 or 60 at least");
  // Without ordinary flows every frame must be an elephant's, without elephants none.
  source->heavyShare = static_cast<int32_t>(word("heavyShare", kShareOne));
  source->credit = static_cast<int32_t>(word("credit", kShareOne - 1));
  constexpr double kExact = 9007199254740991;
  source->packets = take("packets", 0, INFINITY);
  if (source->packets > 0 && source->flows == 0 && (source->elephants == 0 || source->heavyShare < kShareOne))
    throw invalid(env, "a source of frames needs flows");
  source->index = static_cast<uint64_t>(take("index", 0, kExact));
  source->round = static_cast<uint64_t>(take("round", 0, kExact));
  source->heavyRound = static_cast<uint64_t>(take("heavyRound", 0, kExact));
  source->burst = take("burst", 1, kExact);
  source->rate = take("rate", 0, kExact);
  source->originNs = take("originNs", -kExact, kExact);
  source->stamped = options.Get("stamp").ToBoolean();
  const size_t count = size_t{source->flows} + source->elephants;
  const auto words = [&](const char* name, size_t least) {
    return keepWords(*source, options.Get(name), name, least).data;
  };
  source->templates = reinterpret_cast<const uint8_t*>(words("templates", count * kTemplateWords));
  source->ipSums = words("ipSums", count);
  source->udpSums = words("udpSums", count);
  const uint32_t longest = std::max<uint32_t>({source->size, source->size == 0 ? 1514u : 0u, kTemplateStride});
  if (source->pool.smallCapacity() < longest) throw invalid(env, "small slots are shorter than the frames");
  source->clock[kClockIndex] = static_cast<double>(source->index);
  source->clock[kClockStartMs] = -1;
  source->clock[kClockBase] = 0;
  return bindFunction<Source, receiveBound>(env, "receive", std::move(source));
}

}  // namespace

void defineMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("bindMemorySource", Napi::Function::New(env, bindMemorySource, "bindMemorySource"));
}

}  // namespace rxsteer
