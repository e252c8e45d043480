// How much of what a rollback has written is read back.
#pragma once

#include <cstdint>

#include "blkrewind/engine.h"

namespace blkrewind {

// What kAuto comes to: `moved_bytes` have been read and written by the operation so far, `written`
// of them to the device.
[[nodiscard]] VerifyAfter settle_verify_after(VerifyAfter wanted, std::uint64_t written,
                                              std::uint64_t moved_bytes);
[[nodiscard]] const char* name_of(VerifyAfter settled);

}  // namespace blkrewind
