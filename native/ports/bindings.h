// Sockets and TAPs of ports as JavaScript sees them. The interface is `Native` in src/addon/native.ts.
#pragma once

#include <napi.h>

namespace rxsteer {

// Adds the calls that open, ask and set them, and the classes that receive and send.
void definePorts(Napi::Env env, Napi::Object exports);

}  // namespace rxsteer
