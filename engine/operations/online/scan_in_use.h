// Copies of devices in use, all of one instant.
//
//   1. everything is read while it is in use                       (LiveCopy::read_all)
//   2. what was written meanwhile, again and again, until that is little or does not become less
//   3. the hook; file systems are written back, and what that wrote is read
//   4. the window: freeze, flip, hold, quiet?, thaw                <- the instant is the flip
//   5. what is held goes into the trees; or, if it was written to, back to 2
//
// Where nothing can be frozen and there is no hook, a pass of 2 during which nothing was written is
// the window. Nothing is recorded here: the caller does that, once this has succeeded. A power cut,
// or a kill of this process, at any step leaves orphaned segments; frozen file systems are thawed
// by their guard (freeze/freeze.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "freeze/freezer.h"
#include "operations/online/live_copy.h"
#include "operations/online/still.h"

namespace blkrewind {

struct InUseOutcome {
  format::Capture capture;
  std::vector<std::string> frozen;  // mount points
};

// `copies`: of which nothing was read yet; all of them succeed, or none. `look`: who uses the
// devices now. Errors: kPrecondition - they are written to faster than they are read, or all the
// time; kBusy - a file system is frozen by somebody else, or could not be read within the limit.
[[nodiscard]] Result<InUseOutcome> scan_in_use(const std::vector<std::unique_ptr<LiveCopy>>& copies,
                                               freeze::Freezer& freezer,
                                               const std::function<Result<Still>()>& look,
                                               const OnlineOptions& options,
                                               const Monitor& monitor);

}  // namespace blkrewind
