// Registration of the calls of bpf(2).
#pragma once

#include <napi.h>

namespace rxsteer {

void defineBpf(Napi::Env env, Napi::Object exports);

}  // namespace rxsteer
