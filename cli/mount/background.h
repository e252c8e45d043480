// A process of its own for what goes on after the command has ended.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// Forks, and runs `work` in the child: in a session of its own, in the root folder, with /dev/null
// as its standard streams, the default reactions to signals, and none of this process's other
// descriptors but `kept`. Returns the child's id once `work` has called `ready`; the error if it
// ended before. The child ends with `work`; this process is its parent until it ends itself.
//
// The calling process must have one thread, and no open Engine: neither survives a fork.
using Ready = std::function<void()>;
[[nodiscard]] Result<pid_t> run_in_background(const std::function<Status(const Ready&)>& work,
                                              const std::vector<int>& kept = {});

}  // namespace blkrewind::cli
