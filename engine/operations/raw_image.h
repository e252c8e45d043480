// Image files are taken byte by byte; one of another format is taken so only when asked.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "io/env.h"

namespace blkrewind {

// kPrecondition, with what to do, when the file bears the mark of a format that is not raw
// (io/image_format.h). A block device is what it is. Looked at once, when a disk is registered, and
// for each file that is imported: what a registered disk holds later is not looked at.
[[nodiscard]] Status check_raw(io::Env& env, const host::DeviceInfo& info);

}  // namespace blkrewind
