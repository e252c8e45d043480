#include "io/sync_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "io/buffer_pool.h"
#include "io/local_file.h"
#include "io/transfer.h"

namespace blkrewind::io {
namespace {

constexpr std::uint32_t kMaxDepth = 32768;  // IORING_MAX_ENTRIES of the kernel

class SyncQueue final : public Queue {
 public:
  SyncQueue(std::size_t depth, BufferPool pool) : depth_(depth), pool_(std::move(pool)) {}

  Status submit(std::span<const Request> requests) override {
    BLKREWIND_TRY(check_requests(requests, done_.size(), depth_));
    for (const Request& request : requests) {
      Transfer transfer(request, static_cast<LocalFile&>(*request.file));
      while (!transfer.finished()) transfer.advance(run_step(transfer.step()));
      done_.push_back(transfer.completion());
    }
    return {};
  }

  Result<std::size_t> wait(std::size_t /*min*/, std::vector<Completion>& out) override {
    const std::size_t count = done_.size();
    out.insert(out.end(), done_.begin(), done_.end());
    done_.clear();
    return count;
  }

  std::size_t in_flight() const override { return done_.size(); }
  std::size_t depth() const override { return depth_; }
  std::span<const Slot> slots() const override { return pool_.slots(); }

 private:
  std::size_t depth_;
  BufferPool pool_;
  std::vector<Completion> done_;
};

}  // namespace

std::int64_t run_step(const Step& step) {
  const auto offset = static_cast<off_t>(step.extent.offset);
  const auto length = static_cast<std::size_t>(step.extent.length);
  std::int64_t result = -1;
  switch (step.kind) {
    case Step::Kind::kRead:
      result = ::pread(step.fd, step.data, length, offset);
      break;
    case Step::Kind::kWrite:
      result = ::pwrite(step.fd, step.data, length, offset);
      break;
    case Step::Kind::kFallocate:
      result = ::fallocate(step.fd, step.mode, offset, static_cast<off_t>(length));
      break;
    case Step::Kind::kSync:
      result = ::fdatasync(step.fd);
      break;
  }
  return result < 0 ? -std::int64_t{errno} : result;
}

Status check_queue_options(const QueueOptions& options) {
  if (options.depth == 0 || options.depth > kMaxDepth) {
    return fail(Errc::kInvalidArgument, "a queue of " + std::to_string(options.depth) +
                                            " requests: the depth is 1 to 32768");
  }
  return {};
}

Status check_requests(std::span<const Request> requests, std::size_t in_flight, std::size_t depth) {
  if (requests.size() > depth - in_flight) {
    return fail(Errc::kInternal, std::to_string(in_flight + requests.size()) +
                                     " requests in flight on a queue of depth " +
                                     std::to_string(depth));
  }
  const bool local = std::all_of(requests.begin(), requests.end(), [](const Request& request) {
    return dynamic_cast<const LocalFile*>(request.file) != nullptr;
  });
  if (!local) return fail(Errc::kInternal, "a request on a file that this queue did not open");
  return {};
}

Result<std::unique_ptr<Queue>> make_sync_queue(const QueueOptions& options) {
  BLKREWIND_TRY(check_queue_options(options));
  BLKREWIND_ASSIGN(BufferPool pool, BufferPool::make(options.slots, options.slot_bytes));
  return std::make_unique<SyncQueue>(options.depth, std::move(pool));
}

}  // namespace blkrewind::io
