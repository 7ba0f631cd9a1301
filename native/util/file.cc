#include "util/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "util/fd.h"

namespace rxsteer {

std::vector<uint8_t> readFile(const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::vector<uint8_t> bytes;
  // Such files do not tell their size.
  for (size_t size = 0; fd;) {
    bytes.resize(size + (size < 65'536 ? 65'536 : size));
    const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {};
    size += static_cast<size_t>(got);
    if (got > 0) continue;
    bytes.resize(size);
    break;
  }
  return bytes;
}

}  // namespace rxsteer
