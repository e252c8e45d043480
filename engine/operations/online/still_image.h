// An image file at one instant, while others use it: a clone that shares its blocks (FICLONE), made
// while the file systems on it are frozen. Its file system makes it in one step, whatever is
// written, so that nothing has to be marked and the window does not depend on the writers.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "freeze/freezer.h"
#include "io/env.h"
#include "operations/online/scan_in_use.h"
#include "operations/online/still.h"

namespace blkrewind {

struct StillImage {
  std::unique_ptr<io::File> file;  // without a name, so that it goes with the process
  InUseOutcome outcome;
};

// Whether that is possible: the file system of the image can share blocks, and a file can be made
// beside it. Tries it.
[[nodiscard]] bool can_clone(io::Env& env, io::File& image);

// `image`: open. `look` as for scan_in_use(). kUnsupported, with a remedy: the file system of the
// image cannot share blocks, or a file cannot be made beside it. kBusy as for scan_in_use().
[[nodiscard]] Result<StillImage> clone_in_use(io::Env& env, io::File& image,
                                              freeze::Freezer& freezer,
                                              const std::function<Result<Still>()>& look,
                                              const OnlineOptions& options);

}  // namespace blkrewind
