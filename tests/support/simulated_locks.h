// Advisory locks between the threads of one test.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "io/env.h"
#include "support/simulated_state.h"

namespace blkrewind::sim {

// Created by std::make_shared only: held locks keep their table alive. Any thread may call.
class LockTable : public std::enable_shared_from_this<LockTable> {
 public:
  // Does not wait: nullptr if there is a conflicting lock.
  [[nodiscard]] std::unique_ptr<io::Lock> try_acquire(InodeId inode, std::uint64_t offset,
                                                      io::LockMode mode);
  // Waits; nullptr if the calling thread itself holds a conflicting lock, and would wait forever.
  [[nodiscard]] std::unique_ptr<io::Lock> acquire(InodeId inode, std::uint64_t offset,
                                                  io::LockMode mode);

 private:
  class Held;
  struct Holder {
    std::uint64_t id = 0;
    io::LockMode mode = io::LockMode::kShared;
    std::thread::id thread;
  };
  using Key = std::pair<InodeId, std::uint64_t>;

  [[nodiscard]] bool conflicts(const Key& key, io::LockMode mode, bool mine_only) const;
  [[nodiscard]] std::unique_ptr<io::Lock> add(const Key& key, io::LockMode mode);
  void release(const Key& key, std::uint64_t id);

  std::mutex mutex_;
  std::condition_variable released_;
  std::map<Key, std::vector<Holder>> holders_;
  std::uint64_t next_id_ = 1;
};

}  // namespace blkrewind::sim
