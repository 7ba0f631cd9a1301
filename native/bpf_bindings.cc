#include "bpf_bindings.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "bpf.h"
#include "steering_bpf.h"
#include "util/btf.h"
#include "util/control.h"

namespace rxsteer {

namespace {

Span<uint32_t> words(Napi::Value value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
    throw invalid(value.Env(), name + " must be a Uint32Array");
  auto array = value.As<Napi::Uint32Array>();
  return {array.Data(), array.ElementLength()};
}

Napi::Value makeMap(const Info& info) {
  const Napi::Object given = objectArgument(info, 0, "options");
  const auto number = [&](const char* name) { return static_cast<uint32_t>(intValue(given.Get(name), name)); };
  const BpfMapOptions options{number("type"), number("keyBytes"), number("valueBytes"), number("entries"),
                              stringValue(given.Get("name"), "name")};
  return adopted(info.Env(), control(info.Env(), options.name, [&] { return makeBpfMap(options); }));
}

// A key (and a value) of the sizes that the map has: the kernel copies so many bytes, whatever the buffer has.
BpfMapSizes sizesFor(const Info& info, const Span<uint8_t>& key, const uint8_t* value, size_t length) {
  const BpfMapSizes sizes = control(info.Env(), "", [&] { return bpfMapSizes(intArgument(info, 0, "map")); });
  if (key.length != sizes.key) throw invalid(info.Env(), "key must have " + std::to_string(sizes.key) + " bytes");
  if (value != nullptr && length != sizes.value)
    throw invalid(info.Env(), "value must have " + std::to_string(sizes.value) + " bytes");
  return sizes;
}

void update(const Info& info) {
  const int map = intArgument(info, 0, "map");
  const Span<uint8_t> key = bytes(info[1], "key");
  const Span<uint8_t> value = bytes(info[2], "value");
  sizesFor(info, key, value.data, value.length);
  control(info.Env(), "", [&] { updateBpfMap(map, key.data, value.data); });
}

Napi::Value lookup(const Info& info) {
  const int map = intArgument(info, 0, "map");
  const Span<uint8_t> key = bytes(info[1], "key");
  const BpfMapSizes sizes = sizesFor(info, key, nullptr, 0);
  auto value = Napi::Uint8Array::New(info.Env(), sizes.value);
  const bool found = control(info.Env(), "", [&] { return lookupBpfMap(map, key.data, value.Data()); });
  if (!found) return info.Env().Null();
  return value;
}

Napi::Value load(const Info& info) {
  const int type = intArgument(info, 0, "type");
  const std::string name = stringValue(info[1], "name");
  const Span<uint8_t> code = bytes(info[2], "code");
  const std::string licence = stringValue(info[3], "licence");
  return adopted(info.Env(), control(info.Env(), name, [&] {
                   return loadBpfProgram(static_cast<uint32_t>(type), name, licence, code.data, code.length);
                 }));
}

Napi::Value tryProgram(const Info& info) {
  const int program = intArgument(info, 0, "program");
  const Span<uint8_t> frames = bytes(info[1], "frames");
  const Span<uint32_t> offsets = words(info[2], "offsets");
  const Span<uint32_t> results = words(info[3], "results");
  if (offsets.length == 0 || results.length < offsets.length - 1)
    throw invalid(info.Env(), "results must have an entry for each frame");
  for (size_t i = 0; i < offsets.length; i++)
    if (offsets.data[i] > frames.length || (i > 0 && offsets.data[i] < offsets.data[i - 1]))
      throw invalid(info.Env(), "offsets must ascend within the frames");
  const size_t refused = control(info.Env(), "", [&] {
    return tryBpfProgram(program, frames.data, offsets.data, offsets.length - 1, results.data);
  });
  return Napi::Number::New(info.Env(), static_cast<double>(refused));
}

void pin(const Info& info) {
  const int fd = intArgument(info, 0, "fd");
  const std::string path = stringValue(info[1], "path");
  control(info.Env(), path, [&] { pinBpf(fd, path); });
}

Napi::Value link(const Info& info) {
  return adopted(info.Env(), control(info.Env(), "", [&] {
                   return linkBpf(intArgument(info, 0, "program"), intArgument(info, 1, "ifindex"),
                                  static_cast<uint32_t>(intArgument(info, 2, "type")),
                                  static_cast<uint32_t>(intArgument(info, 3, "flags")));
                 }));
}

// Link, program.
void updateLink(const Info& info) {
  control(info.Env(), "", [&] { updateBpfLink(intArgument(info, 0, "link"), intArgument(info, 1, "program")); });
}

// Names of members ("sk_buff.head") and of enumerators: their offsets and values, null for what the kernel has not.
Napi::Value kernelTypes(const Info& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray() || !info[1].IsArray()) throw invalid(env, "two arrays of names are needed");
  const auto types = KernelTypes::read();
  if (!types) return env.Null();
  const auto each = [&](const Napi::Array& names, auto look) {
    Napi::Array values = Napi::Array::New(env, names.Length());
    for (uint32_t i = 0; i < names.Length(); i++) {
      const auto value = look(stringValue(names.Get(i), "name"));
      values.Set(i, value ? Napi::Value(Napi::Number::New(env, static_cast<double>(*value))) : env.Null());
    }
    return values;
  };
  Napi::Object found = Napi::Object::New(env);
  found.Set("offsets", each(info[0].As<Napi::Array>(), [&](const std::string& name) {
              const size_t dot = std::min(name.find('.'), name.size() - 1);
              return types->memberOffset(name.substr(0, dot), name.substr(dot + 1));
            }));
  found.Set("values", each(info[1].As<Napi::Array>(), [&](const std::string& name) { return types->enumerator(name); }));
  return found;
}

Napi::Value programName(const Info& info) {
  return Napi::String::New(info.Env(), bpfProgramName(static_cast<uint32_t>(intArgument(info, 0, "id"))));
}

void fanout(const Info& info) {
  control(info.Env(), "",
          [&] { setFanoutProgram(intArgument(info, 0, "socket"), intArgument(info, 1, "program")); });
}

void reusePort(const Info& info) {
  control(info.Env(), "",
          [&] { setReusePortProgram(intArgument(info, 0, "socket"), intArgument(info, 1, "program")); });
}

// TAP, program.
Napi::Value steerTap(const Info& info) {
  return Napi::Boolean::New(info.Env(), setTapSteering(intArgument(info, 0, "fd"), intArgument(info, 1, "program")));
}

}  // namespace

void defineBpf(Napi::Env env, Napi::Object exports) {
  const auto function = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  function("makeBpfMap", makeMap);
  function("updateBpfMap", update);
  function("lookupBpfMap", lookup);
  function("loadBpfProgram", load);
  function("tryBpfProgram", tryProgram);
  function("pinBpf", pin);
  function("linkBpf", link);
  function("updateBpfLink", updateLink);
  function("kernelTypes", kernelTypes);
  function("bpfProgramName", programName);
  function("setFanoutProgram", fanout);
  function("setReusePortProgram", reusePort);
  function("setTapSteering", steerTap);
}

}  // namespace rxsteer
