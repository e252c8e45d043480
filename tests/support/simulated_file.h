// Open files and queues of the simulated machine.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/env.h"
#include "support/simulated_disk.h"
#include "support/simulated_random.h"

namespace blkrewind::sim {

// "cannot rename /store/a: ...": the errors of the Env and its files.
[[nodiscard]] Error op_error(OpKind kind, const std::string& path, int error);

class SimulatedFile final : public io::File {
 public:
  // Closes `handle` in the destructor.
  SimulatedFile(std::shared_ptr<SimulatedDisk> disk, Handle handle);
  ~SimulatedFile() override;

  [[nodiscard]] const std::string& path() const override { return handle_.path; }
  [[nodiscard]] std::uint32_t alignment_bytes() const override;
  [[nodiscard]] std::uint32_t max_request_bytes() const override { return kMiB; }
  [[nodiscard]] Result<std::uint64_t> size_bytes() override;
  [[nodiscard]] Result<Extent> next_data(std::uint64_t offset) override;
  [[nodiscard]] Result<bool> reserve(const Extent& extent) override;
  [[nodiscard]] Result<std::uint64_t> allocated_bytes() override;
  [[nodiscard]] Status truncate(std::uint64_t size_bytes) override;
  [[nodiscard]] Status settle_caches(host::CacheUse use) override;

  [[nodiscard]] const Handle& handle() const { return handle_; }
  [[nodiscard]] const SimulatedDisk* disk() const { return disk_.get(); }

 private:
  std::shared_ptr<SimulatedDisk> disk_;
  Handle handle_;
};

// Requests are executed inside wait(), in an order that depends on the seed: only waiting orders
// them. wait() sometimes returns more than requested. A request that was never waited for is never
// executed. Calls from another thread than the one that created the queue are refused.
class SimulatedQueue final : public io::Queue {
 public:
  SimulatedQueue(std::shared_ptr<SimulatedDisk> disk, const io::QueueOptions& options);
  ~SimulatedQueue() override;

  [[nodiscard]] Status submit(std::span<const io::Request> requests) override;
  [[nodiscard]] Result<std::size_t> wait(std::size_t min,
                                         std::vector<io::Completion>& out) override;
  [[nodiscard]] std::size_t in_flight() const override { return in_flight_.size(); }
  [[nodiscard]] std::size_t depth() const override { return depth_; }
  [[nodiscard]] std::span<const io::Slot> slots() const override { return slots_; }

 private:
  [[nodiscard]] Status check_thread() const;

  std::shared_ptr<SimulatedDisk> disk_;
  std::size_t depth_;
  std::thread::id thread_;
  Random random_;
  std::vector<InFlight> in_flight_;
  std::vector<io::Slot> slots_;
  std::byte* memory_ = nullptr;  // of the slots
  std::size_t memory_bytes_ = 0;
};

}  // namespace blkrewind::sim
