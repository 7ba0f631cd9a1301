// What the running kernel tells of its types (BTF, /sys/kernel/btf/vmlinux).
//
// Promise: offsets and values as the kernel was built, or nothing where it does not tell. Reading takes some
// milliseconds: for the main thread, once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rxsteer {

class KernelTypes {
 public:
  // Nothing where there is no BTF or it is not understood.
  static std::optional<KernelTypes> read();
  // The same of bytes in BTF's format. Whatever they say, nothing outside them is read.
  static std::optional<KernelTypes> parse(std::vector<uint8_t> data);

  // Bytes from the start of the structure to a member that lies directly in it.
  std::optional<uint32_t> memberOffset(const std::string& structure, const std::string& member) const;
  // The value of an enumerator, whatever its enumeration.
  std::optional<uint64_t> enumerator(const std::string& name) const;

 private:
  explicit KernelTypes(std::vector<uint8_t> data) : data_(std::move(data)) {}
  // Calls `see(kind, members, name, type)` for each type, until it returns true.
  template <typename See>
  void each(See see) const;
  const char* text(uint32_t offset) const;

  std::vector<uint8_t> data_;
  uint32_t types_ = 0;
  uint32_t typesEnd_ = 0;
  uint32_t texts_ = 0;
  uint32_t textsEnd_ = 0;
};

}  // namespace rxsteer
