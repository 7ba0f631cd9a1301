// Reading files of /proc and /sys: system calls only, since the C++ library's streams would bring its locales with them.
#pragma once

#include <cstdint>
#include <vector>

namespace rxsteer {

// All bytes of a file; none where it cannot be opened, or read to its end.
std::vector<uint8_t> readFile(const char* path);

}  // namespace rxsteer
