#include "bpf.h"

#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "util/system_error.h"

#ifndef PACKET_FANOUT_DATA
#define PACKET_FANOUT_DATA 22
#endif
#ifndef SO_ATTACH_REUSEPORT_EBPF
#define SO_ATTACH_REUSEPORT_EBPF 52
#endif

namespace rxsteer {

namespace {

constexpr size_t kLogBytes = 256 << 10;
constexpr size_t kLogLines = 3;
constexpr size_t kInstructionsMax = 1 << 20;

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

uint64_t pointer(const void* p) { return reinterpret_cast<uintptr_t>(p); }

void nameInto(char* field, const std::string& name) {
  // BPF_OBJ_NAME_LEN is 16, the last for the end.
  std::memcpy(field, name.data(), std::min<size_t>(name.size(), 15));
}

// The last lines of the verifier's log.
std::string lastLines(const std::string& log) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < log.size();) {
    const size_t end = std::min(log.find('\n', at), log.size());
    if (end > at) lines.push_back(log.substr(at, end - at));
    at = end + 1;
  }
  std::string text;
  for (size_t i = lines.size() > kLogLines + 1 ? lines.size() - kLogLines - 1 : 0; i < lines.size(); i++)
    text += (text.empty() ? "" : "; ") + lines[i];
  return text;
}

}  // namespace

UniqueFd makeBpfMap(const BpfMapOptions& options) {
  bpf_attr attributes{};
  attributes.map_type = options.type;
  attributes.key_size = options.keyBytes;
  attributes.value_size = options.valueBytes;
  attributes.max_entries = options.entries;
  nameInto(attributes.map_name, options.name);
  return UniqueFd(check(bpf(BPF_MAP_CREATE, attributes), "bpf(MAP_CREATE)"));
}

BpfMapSizes bpfMapSizes(int map) {
  bpf_map_info info{};
  bpf_attr attributes{};
  attributes.info.bpf_fd = static_cast<uint32_t>(map);
  attributes.info.info_len = sizeof info;
  attributes.info.info = pointer(&info);
  check(bpf(BPF_OBJ_GET_INFO_BY_FD, attributes), "bpf(OBJ_GET_INFO)");
  switch (info.type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
      return {info.key_size, info.value_size};
    default:
      // Those by CPU copy more than one value; a program is no map.
      throw SystemError{EINVAL, "bpf", "not a kind of map that is written to here"};
  }
}

void updateBpfMap(int map, const uint8_t* key, const uint8_t* value) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map);
  attributes.key = pointer(key);
  attributes.value = pointer(value);
  check(bpf(BPF_MAP_UPDATE_ELEM, attributes), "bpf(MAP_UPDATE)");
}

bool lookupBpfMap(int map, const uint8_t* key, uint8_t* value) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map);
  attributes.key = pointer(key);
  attributes.value = pointer(value);
  if (bpf(BPF_MAP_LOOKUP_ELEM, attributes) == 0) return true;
  if (errno == ENOENT) return false;
  check(-1, "bpf(MAP_LOOKUP)");
  return false;
}

UniqueFd loadBpfProgram(uint32_t type, const std::string& name, const std::string& licence, const uint8_t* code,
                        size_t bytes) {
  if (bytes == 0 || bytes % sizeof(bpf_insn) != 0 || bytes / sizeof(bpf_insn) > kInstructionsMax)
    throw SystemError{EINVAL, "bpf(PROG_LOAD)", "instructions are 8 bytes each"};
  bpf_attr attributes{};
  attributes.prog_type = type;
  attributes.insns = pointer(code);
  attributes.insn_cnt = static_cast<uint32_t>(bytes / sizeof(bpf_insn));
  attributes.license = pointer(licence.c_str());
  nameInto(attributes.prog_name, name);
  UniqueFd program(bpf(BPF_PROG_LOAD, attributes));
  if (program) return program;
  const int error = errno;
  // Once more for the reasons: a log costs the verifier time.
  std::string log(kLogBytes, '\0');
  attributes.log_level = 1;
  attributes.log_size = static_cast<uint32_t>(log.size());
  attributes.log_buf = pointer(log.data());
  program = UniqueFd(bpf(BPF_PROG_LOAD, attributes));
  if (program) return program;
  log.resize(std::strlen(log.c_str()));
  throw SystemError{error, "bpf(PROG_LOAD)", lastLines(log)};
}

size_t tryBpfProgram(int program, const uint8_t* frames, const uint32_t* offsets, size_t count, uint32_t* results) {
  size_t refused = 0;
  for (size_t i = 0; i < count; i++) {
    bpf_attr attributes{};
    attributes.test.prog_fd = static_cast<uint32_t>(program);
    attributes.test.data_in = pointer(frames + offsets[i]);
    attributes.test.data_size_in = offsets[i + 1] - offsets[i];
    attributes.test.repeat = 1;
    if (bpf(BPF_PROG_TEST_RUN, attributes) == 0) results[i] = attributes.test.retval;
    else if (errno == EINVAL) {
      results[i] = kNotTried;
      refused++;
    } else check(-1, "bpf(PROG_TEST_RUN)");
  }
  return refused;
}

std::string bpfProgramName(uint32_t id) {
  bpf_attr attributes{};
  attributes.prog_id = id;
  const UniqueFd program(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
  if (!program) return "";
  bpf_prog_info info{};
  attributes = {};
  attributes.info.bpf_fd = static_cast<uint32_t>(program.get());
  attributes.info.info_len = sizeof info;
  attributes.info.info = pointer(&info);
  if (bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) != 0) return "";
  return std::string(info.name, ::strnlen(info.name, sizeof info.name));
}

void pinBpf(int fd, const std::string& path) {
  bpf_attr attributes{};
  attributes.bpf_fd = static_cast<uint32_t>(fd);
  attributes.pathname = pointer(path.c_str());
  check(bpf(BPF_OBJ_PIN, attributes), "bpf(OBJ_PIN)");
}

UniqueFd linkBpf(int program, int ifindex, uint32_t type, uint32_t flags) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program);
  attributes.link_create.target_ifindex = static_cast<uint32_t>(ifindex);
  attributes.link_create.attach_type = type;
  attributes.link_create.flags = flags;
  return UniqueFd(check(bpf(BPF_LINK_CREATE, attributes), "bpf(LINK_CREATE)"));
}

void updateBpfLink(int link, int program) {
  bpf_attr attributes{};
  attributes.link_update.link_fd = static_cast<uint32_t>(link);
  attributes.link_update.new_prog_fd = static_cast<uint32_t>(program);
  check(bpf(BPF_LINK_UPDATE, attributes), "bpf(LINK_UPDATE)");
}

void setFanoutProgram(int socket, int program) {
  check(::setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program),
        "setsockopt(PACKET_FANOUT_DATA)");
}

void setReusePortProgram(int socket, int program) {
  check(::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof program),
        "setsockopt(SO_ATTACH_REUSEPORT_EBPF)");
}

}  // namespace rxsteer
