#include "support/simulated_locks.h"

#include <algorithm>

namespace blkrewind::sim {

class LockTable::Held final : public io::Lock {
 public:
  Held(std::shared_ptr<LockTable> table, Key key, std::uint64_t id)
      : table_(std::move(table)), key_(key), id_(id) {}
  ~Held() override { table_->release(key_, id_); }

 private:
  std::shared_ptr<LockTable> table_;
  Key key_;
  std::uint64_t id_;
};

std::unique_ptr<io::Lock> LockTable::try_acquire(InodeId inode, std::uint64_t offset,
                                                 io::LockMode mode) {
  const std::lock_guard guard(mutex_);
  const Key key{inode, offset};
  return conflicts(key, mode, false) ? nullptr : add(key, mode);
}

std::unique_ptr<io::Lock> LockTable::acquire(InodeId inode, std::uint64_t offset,
                                             io::LockMode mode) {
  std::unique_lock guard(mutex_);
  const Key key{inode, offset};
  while (conflicts(key, mode, false)) {
    if (conflicts(key, mode, true)) {
      return nullptr;
    }
    released_.wait(guard);
  }
  return add(key, mode);
}

bool LockTable::conflicts(const Key& key, io::LockMode mode, bool mine_only) const {
  const auto it = holders_.find(key);
  return it != holders_.end() &&
         std::any_of(it->second.begin(), it->second.end(), [&](const Holder& holder) {
           return (mode == io::LockMode::kExclusive || holder.mode == io::LockMode::kExclusive) &&
                  (!mine_only || holder.thread == std::this_thread::get_id());
         });
}

std::unique_ptr<io::Lock> LockTable::add(const Key& key, io::LockMode mode) {
  const std::uint64_t id = next_id_++;
  holders_[key].push_back({id, mode, std::this_thread::get_id()});
  return std::make_unique<Held>(shared_from_this(), key, id);
}

void LockTable::release(const Key& key, std::uint64_t id) {
  const std::lock_guard guard(mutex_);
  auto& holders = holders_[key];
  std::erase_if(holders, [&](const Holder& holder) { return holder.id == id; });
  if (holders.empty()) {
    holders_.erase(key);
  }
  released_.notify_all();
}

}  // namespace blkrewind::sim
