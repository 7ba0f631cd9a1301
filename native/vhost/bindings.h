// The vhost-user back-end for JavaScript: argument conversion only.
#pragma once

#include <napi.h>

namespace rxsteer {

// Adds `VhostBackend`, `VhostReceiver`, `VhostSender`, `SocketEvents` and the Unix sockets. The interface is in
// src/addon/native-vhost.ts.
void defineVhost(Napi::Env env, Napi::Object exports);

}  // namespace rxsteer
