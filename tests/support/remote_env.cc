#include "support/remote_env.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

namespace blkrewind::sim {
namespace {

// A queue of the machine in front of which some writes are lost or arrive late.
class RemoteQueue final : public io::Queue {
 public:
  RemoteQueue(std::unique_ptr<io::Queue> machine, std::shared_ptr<RemoteNetwork> network)
      : machine_(std::move(machine)),
        network_(std::move(network)),
        folder_(network_->pool()->folder() + "/") {}

  [[nodiscard]] Status submit(std::span<const io::Request> requests) override {
    if (in_flight() + requests.size() > depth()) {
      return fail(Errc::kInternal, "more requests in flight than the queue is deep");
    }
    network_->pass_time();
    std::vector<io::Request> passed;
    for (const io::Request& request : requests) {
      if (arrives(request)) passed.push_back(request);
    }
    return machine_->submit(passed);
  }

  [[nodiscard]] Result<std::size_t> wait(std::size_t min,
                                         std::vector<io::Completion>& out) override {
    const std::size_t failed = timed_out_.size();
    out.insert(out.end(), timed_out_.begin(), timed_out_.end());
    timed_out_.clear();
    BLKREWIND_ASSIGN(const std::size_t done, machine_->wait(min - std::min(min, failed), out));
    return failed + done;
  }

  [[nodiscard]] std::size_t in_flight() const override {
    return machine_->in_flight() + timed_out_.size();
  }
  [[nodiscard]] std::size_t depth() const override { return machine_->depth(); }
  [[nodiscard]] std::span<const io::Slot> slots() const override { return machine_->slots(); }

 private:
  // Otherwise it has timed out.
  [[nodiscard]] bool arrives(const io::Request& request) {
    if (request.op != io::Op::kWrite || !request.file->path().starts_with(folder_)) return true;
    const Delivery delivery = network_->next_write();
    if (delivery == Delivery::kAnswered) return true;
    timed_out_.push_back({.user_data = request.user_data, .error = ETIMEDOUT});
    if (delivery == Delivery::kLost) return false;
    LateRequest write =
        [path = request.file->path(), offset = request.extent.offset,
         bytes = std::vector<std::byte>(request.data, request.data + request.extent.length)](
            MemoryPool& pool) {
          // Never one that was removed.
          const auto there = pool.machine().exists(path);
          if (there && *there) pool.machine().poke(path, offset, bytes);
        };
    if (delivery == Delivery::kLate) {
      network_->postpone(std::move(write));
    } else {
      write(*network_->pool());
    }
    return false;
  }

  const std::unique_ptr<io::Queue> machine_;
  const std::shared_ptr<RemoteNetwork> network_;
  const std::string folder_;
  std::vector<io::Completion> timed_out_;
};

}  // namespace

RemoteEnv::RemoteEnv(std::shared_ptr<RemoteNetwork> network)
    : network_(std::move(network)), machine_(network_->pool()->machine()) {}

Result<std::unique_ptr<io::Queue>> RemoteEnv::make_queue(const io::QueueOptions& options) {
  BLKREWIND_ASSIGN(auto queue, machine_.make_queue(options));
  return std::make_unique<RemoteQueue>(std::move(queue), network_);
}

}  // namespace blkrewind::sim
