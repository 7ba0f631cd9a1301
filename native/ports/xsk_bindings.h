// AF_XDP sockets as JavaScript sees them. The interface is `NativeXsk` in src/addon/native-xsk.ts.
#pragma once

#include <napi.h>

namespace rxsteer {

void defineXsk(Napi::Env env, Napi::Object exports);

}  // namespace rxsteer
