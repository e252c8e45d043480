// The queue on io_uring (io_uring(7)).
#pragma once

#include <memory>

#include "io/env.h"

namespace blkrewind::io {

// Errors: kInvalidArgument - options; any other with `sys_errno` - the result of io_uring_setup(2).
// means_no_uring() identifies those after which the synchronous queue should be used.
[[nodiscard]] Result<std::unique_ptr<Queue>> make_uring_queue(const QueueOptions& options);

// EPERM and EACCES: disabled (kernel.io_uring_disabled, seccomp); ENOSYS: not in this kernel, or
// older than 5.6. Limits that affect only a ring: ENOMEM: more than RLIMIT_MEMLOCK; EMFILE and
// ENFILE: no descriptor left for it; a synchronous queue needs none.
[[nodiscard]] bool means_no_uring(int sys_errno);

}  // namespace blkrewind::io
