// The road between remote homes and their pool: what is lost on it, answered too late, or carried
// out later than it was sent. The same seed and the same calls give the same run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "support/memory_pool.h"
#include "support/simulated_random.h"

namespace blkrewind::sim {

// What becomes of one request. The sender of all but the first sees a time-out.
enum class Delivery : std::uint8_t {
  kAnswered,
  kUnanswered,  // carried out at once
  kLate,        // carried out later, after other requests
  kLost,        // never carried out
};

// In percent.
struct NetworkChances {
  struct Deliveries {
    std::uint64_t unanswered = 0;
    std::uint64_t late = 0;
    std::uint64_t lost = 0;
  };
  Deliveries changes = {};          // of a log
  Deliveries writes = {};           // to a segment
  std::uint64_t settle_lost = 0;    // a question for what became of a change; not carried out
  std::uint64_t behind = 0;         // a reader without a lease does not see the last records
  std::uint64_t lease_expires = 0;  // of an owner, when another process asks for it
  std::uint64_t late_arrives = 20;  // each late request, at each later request
};

// What it changes when it arrives.
using LateRequest = std::function<void(MemoryPool&)>;

class RemoteNetwork {
 public:
  RemoteNetwork(std::shared_ptr<MemoryPool> pool, std::uint64_t seed,
                const NetworkChances& chances = {});
  // What is late there arrives here: after a power cut of all clients, which the network outlives.
  RemoteNetwork(const RemoteNetwork& before, std::shared_ptr<MemoryPool> pool);
  RemoteNetwork(const RemoteNetwork&) = delete;
  RemoteNetwork& operator=(const RemoteNetwork&) = delete;

  [[nodiscard]] const std::shared_ptr<MemoryPool>& pool() const { return pool_; }
  void set_chances(const NetworkChances& chances);
  void reseed(std::uint64_t seed);

  // By hand, before chance: of the next requests.
  void deliver_changes(std::deque<Delivery> next);
  void deliver_writes(std::deque<Delivery> next);
  void lose_settles(std::uint64_t next);
  // Of every read without a lease from now on; 0: by chance again.
  void withhold(std::uint64_t records);
  // Once, before the request that follows so many more. It may use homes of this network. A network
  // after a power cut does not have it.
  void call_after(std::uint64_t requests, std::function<void()> happens);
  // All that is late arrives.
  void deliver_late();
  [[nodiscard]] std::size_t late() const;

  // --- for the homes ---
  [[nodiscard]] Delivery next_change();
  [[nodiscard]] Delivery next_write();
  [[nodiscard]] bool next_settle_is_lost();
  [[nodiscard]] bool lease_expires();
  [[nodiscard]] std::uint64_t withheld();
  void postpone(LateRequest request);
  // Another request is sent: some of the late ones arrive before it.
  void pass_time();

 private:
  void deliver(const std::vector<LateRequest>& requests);
  [[nodiscard]] Delivery draw(std::deque<Delivery>& forced,
                              const NetworkChances::Deliveries& chances);

  const std::shared_ptr<MemoryPool> pool_;
  mutable std::mutex mutex_;
  Random random_;
  NetworkChances chances_;
  std::deque<Delivery> forced_changes_;
  std::deque<Delivery> forced_writes_;
  std::uint64_t lost_settles_ = 0;
  std::uint64_t withheld_ = 0;
  std::uint64_t call_in_ = 0;
  std::function<void()> call_;
  std::vector<LateRequest> late_;
};

}  // namespace blkrewind::sim
