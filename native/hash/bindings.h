// The hash kernels as JavaScript sees them. The interface is `NativeHash` in src/addon/hash.ts.
#pragma once

#include <napi.h>

namespace rxsteer {

// Adds `hashKernels`, `bindBurstHash`, `bindPackedHash` and `toeplitz`.
void defineHash(Napi::Env env, Napi::Object exports);

}  // namespace rxsteer
