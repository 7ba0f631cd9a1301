// A link as JavaScript has it (`LinkInfo`).
#pragma once

#include <napi.h>

#include "link.h"

namespace rxsteer {

Napi::Object linkObject(Napi::Env env, const Link& link);

}  // namespace rxsteer
