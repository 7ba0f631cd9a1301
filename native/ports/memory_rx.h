// The memory source as a receive call: makes a burst of frames in free slots of the pool.
#pragma once

#include <napi.h>

namespace rxsteer {

// Adds `bindMemorySource`. The interface is `Native` in src/addon/native.ts.
void defineMemory(Napi::Env env, Napi::Object exports);

}  // namespace rxsteer
