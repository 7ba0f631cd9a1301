#include "util/btf.h"

#include <linux/btf.h>

#include <cstring>

#include "util/file.h"

namespace rxsteer {

namespace {

constexpr uint32_t kKindEnum64 = 19;  // BTF_KIND_ENUM64, absent from older headers
constexpr uint32_t kKindDeclTag = 17;

// Bytes behind a type that belong to it.
uint32_t tailOf(uint32_t kind, uint32_t members) {
  switch (kind) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case kKindDeclTag:
      return 4;
    case BTF_KIND_ARRAY:
      return 12;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
    case BTF_KIND_DATASEC:
    case kKindEnum64:
      return 12 * members;
    case BTF_KIND_ENUM:
    case BTF_KIND_FUNC_PROTO:
      return 8 * members;
    default:
      return 0;
  }
}

uint32_t word(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

std::optional<KernelTypes> KernelTypes::read() { return parse(readFile("/sys/kernel/btf/vmlinux")); }

std::optional<KernelTypes> KernelTypes::parse(std::vector<uint8_t> data) {
  KernelTypes types{std::move(data)};
  btf_header header{};
  if (types.data_.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, types.data_.data(), sizeof header);
  if (header.magic != BTF_MAGIC || header.version != BTF_VERSION) return std::nullopt;
  const uint64_t size = types.data_.size();
  const uint64_t first = uint64_t{header.hdr_len} + header.type_off;
  const uint64_t strings = uint64_t{header.hdr_len} + header.str_off;
  if (first + header.type_len > size || strings + header.str_len > size || header.str_len == 0) return std::nullopt;
  if (types.data_[strings + header.str_len - 1] != 0) return std::nullopt;
  types.types_ = static_cast<uint32_t>(first);
  types.typesEnd_ = static_cast<uint32_t>(first + header.type_len);
  types.texts_ = static_cast<uint32_t>(strings);
  types.textsEnd_ = static_cast<uint32_t>(strings + header.str_len);
  return types;
}

const char* KernelTypes::text(uint32_t offset) const {
  return offset < textsEnd_ - texts_ ? reinterpret_cast<const char*>(data_.data()) + texts_ + offset : "";
}

template <typename See>
void KernelTypes::each(See see) const {
  for (uint64_t at = types_; at + 12 <= typesEnd_;) {
    const uint8_t* type = data_.data() + at;
    const uint32_t info = word(type + 4);
    const uint32_t kind = info >> 24 & 0x1f;
    const uint32_t members = info & 0xffff;
    const uint32_t tail = tailOf(kind, members);
    if (at + 12 + tail > typesEnd_) return;
    if (see(kind, members, text(word(type)), type)) return;
    at += 12 + tail;
  }
}

std::optional<uint32_t> KernelTypes::memberOffset(const std::string& structure, const std::string& member) const {
  std::optional<uint32_t> found;
  each([&](uint32_t kind, uint32_t members, const char* name, const uint8_t* type) {
    if (kind != BTF_KIND_STRUCT || structure != name) return false;
    const bool bitfields = (word(type + 4) >> 31) != 0;
    for (uint32_t i = 0; i < members; i++) {
      const uint8_t* entry = type + 12 + 12 * i;
      if (member != text(word(entry))) continue;
      const uint32_t bits = bitfields ? word(entry + 8) & 0xffffff : word(entry + 8);
      found = bits / 8;
    }
    return true;
  });
  return found;
}

std::optional<uint64_t> KernelTypes::enumerator(const std::string& name) const {
  std::optional<uint64_t> found;
  each([&](uint32_t kind, uint32_t members, const char*, const uint8_t* type) {
    if (kind != BTF_KIND_ENUM && kind != kKindEnum64) return false;
    const uint32_t step = kind == BTF_KIND_ENUM ? 8 : 12;
    for (uint32_t i = 0; i < members && !found; i++) {
      const uint8_t* entry = type + 12 + step * i;
      if (name != text(word(entry))) continue;
      found = word(entry + 4);
      if (step == 12) *found |= uint64_t{word(entry + 8)} << 32;
    }
    return found.has_value();
  });
  return found;
}

}  // namespace rxsteer
