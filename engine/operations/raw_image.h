// Image files are treated as raw bytes; a file of another format only on request.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "io/env.h"
#include "io/stream.h"

namespace blkrewind {

// kPrecondition, with a remedy, if the file has the signature of a format that is not raw
// (host/image_format.h). Block devices are not checked. Checked when a disk is registered, and for
// each file that is imported; the later content of a registered disk is not checked.
[[nodiscard]] Status check_raw(io::Env& env, const host::DeviceInfo& info);
// The same for what comes as a stream, by its first bytes.
[[nodiscard]] Status check_raw(io::Stream& stream);

}  // namespace blkrewind
