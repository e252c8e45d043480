// The queue without io_uring: pread, pwrite, fallocate and fdatasync, executed in order.
#pragma once

#include <cstdint>
#include <memory>

#include "io/env.h"
#include "io/transfer.h"

namespace blkrewind::io {

// Requests are executed inside submit(), in order; wait() never blocks.
[[nodiscard]] Result<std::unique_ptr<Queue>> make_sync_queue(const QueueOptions& options);

// kInvalidArgument for options that no queue can serve.
[[nodiscard]] Status check_queue_options(const QueueOptions& options);

// kInternal unless `requests` fit beside `in_flight` and are all on local files.
[[nodiscard]] Status check_requests(std::span<const Request> requests, std::size_t in_flight,
                                    std::size_t depth);

// Executes the call in the calling thread: returns its result, or minus its errno.
[[nodiscard]] std::int64_t run_step(const Step& step);

}  // namespace blkrewind::io
