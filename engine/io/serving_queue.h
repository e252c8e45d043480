// A queue for files that serve themselves, beside others.
#pragma once

#include <memory>

#include "io/queue.h"

namespace blkrewind::io {

// Requests on a ServedFile are carried out when they are submitted, all others by `inner`.
[[nodiscard]] std::unique_ptr<Queue> make_serving_queue(std::unique_ptr<Queue> inner);

}  // namespace blkrewind::io
