#include "support/remote_network.h"

#include <utility>

namespace blkrewind::sim {

RemoteNetwork::RemoteNetwork(std::shared_ptr<MemoryPool> pool, std::uint64_t seed,
                             const NetworkChances& chances)
    : pool_(std::move(pool)), random_(seed), chances_(chances) {}

RemoteNetwork::RemoteNetwork(const RemoteNetwork& before, std::shared_ptr<MemoryPool> pool)
    : pool_(std::move(pool)), random_(0) {
  const std::lock_guard guard(before.mutex_);
  random_ = before.random_;
  chances_ = before.chances_;
  late_ = before.late_;
}

void RemoteNetwork::set_chances(const NetworkChances& chances) {
  const std::lock_guard guard(mutex_);
  chances_ = chances;
}

void RemoteNetwork::reseed(std::uint64_t seed) {
  const std::lock_guard guard(mutex_);
  random_ = Random(seed);
}

void RemoteNetwork::call_after(std::uint64_t requests, std::function<void()> happens) {
  const std::lock_guard guard(mutex_);
  call_in_ = requests;
  call_ = std::move(happens);
}

void RemoteNetwork::deliver_changes(std::deque<Delivery> next) {
  const std::lock_guard guard(mutex_);
  forced_changes_ = std::move(next);
}

void RemoteNetwork::deliver_writes(std::deque<Delivery> next) {
  const std::lock_guard guard(mutex_);
  forced_writes_ = std::move(next);
}

void RemoteNetwork::lose_settles(std::uint64_t next) {
  const std::lock_guard guard(mutex_);
  lost_settles_ = next;
}

void RemoteNetwork::withhold(std::uint64_t records) {
  const std::lock_guard guard(mutex_);
  withheld_ = records;
}

void RemoteNetwork::deliver_late() {
  std::vector<LateRequest> arriving;
  {
    const std::lock_guard guard(mutex_);
    arriving = std::exchange(late_, {});
  }
  deliver(arriving);
}

std::size_t RemoteNetwork::late() const {
  const std::lock_guard guard(mutex_);
  return late_.size();
}

void RemoteNetwork::deliver(const std::vector<LateRequest>& requests) {
  for (const LateRequest& request : requests) request(*pool_);
}

Delivery RemoteNetwork::draw(std::deque<Delivery>& forced,
                             const NetworkChances::Deliveries& chances) {
  if (!forced.empty()) {
    const Delivery next = forced.front();
    forced.pop_front();
    return next;
  }
  const std::uint64_t drawn = random_.below(100);
  if (drawn < chances.unanswered) return Delivery::kUnanswered;
  if (drawn < chances.unanswered + chances.late) return Delivery::kLate;
  if (drawn < chances.unanswered + chances.late + chances.lost) return Delivery::kLost;
  return Delivery::kAnswered;
}

Delivery RemoteNetwork::next_change() {
  const std::lock_guard guard(mutex_);
  return draw(forced_changes_, chances_.changes);
}

Delivery RemoteNetwork::next_write() {
  const std::lock_guard guard(mutex_);
  return draw(forced_writes_, chances_.writes);
}

bool RemoteNetwork::next_settle_is_lost() {
  const std::lock_guard guard(mutex_);
  if (lost_settles_ == 0) return random_.percent(chances_.settle_lost);
  --lost_settles_;
  return true;
}

bool RemoteNetwork::lease_expires() {
  const std::lock_guard guard(mutex_);
  return random_.percent(chances_.lease_expires);
}

std::uint64_t RemoteNetwork::withheld() {
  const std::lock_guard guard(mutex_);
  if (withheld_ != 0) return withheld_;
  return random_.percent(chances_.behind) ? 1 + random_.below(4) : 0;
}

void RemoteNetwork::postpone(LateRequest request) {
  const std::lock_guard guard(mutex_);
  late_.push_back(std::move(request));
}

void RemoteNetwork::pass_time() {
  std::function<void()> happens;
  std::vector<LateRequest> arriving;
  {
    const std::lock_guard guard(mutex_);
    if (call_ && call_in_-- == 0) happens = std::exchange(call_, {});
    std::vector<LateRequest> waiting;
    for (auto& request : late_) {
      (random_.percent(chances_.late_arrives) ? arriving : waiting).push_back(std::move(request));
    }
    late_ = std::move(waiting);
  }
  if (happens) happens();
  deliver(arriving);
}

}  // namespace blkrewind::sim
