// The queue on io_uring (io_uring(7)).
#pragma once

#include <memory>

#include "io/env.h"

namespace blkrewind::io {

// Errors: kInvalidArgument - options; any other with `sys_errno` - what io_uring_setup(2) said.
// means_no_uring() tells those after which the synchronous queue is the answer.
[[nodiscard]] Result<std::unique_ptr<Queue>> make_uring_queue(const QueueOptions& options);

// EPERM and EACCES: switched off (kernel.io_uring_disabled, seccomp); ENOSYS: not in this kernel,
// or older than 5.6. Limits that only a ring meets: ENOMEM: more than RLIMIT_MEMLOCK; EMFILE and
// ENFILE: no descriptor left for it, and a synchronous queue needs none.
[[nodiscard]] bool means_no_uring(int sys_errno);

}  // namespace blkrewind::io
