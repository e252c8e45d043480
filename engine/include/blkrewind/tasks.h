// Operations in two steps: accepted now, run later. They are created by Engine::accept_rollback()
// and accept_snapshot().
//
// A task holds the lock of its disk: other operations return kBusy until it has run or is
// destroyed. It is run once, by any thread, and must not outlive its Engine. Movable, not copyable.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "blkrewind/export.h"
#include "blkrewind/monitor.h"
#include "blkrewind/receipt.h"

namespace blkrewind {

class BLKREWIND_API RollbackTask {
 public:
  RollbackTask(RollbackTask&&) noexcept;
  RollbackTask& operator=(RollbackTask&&) noexcept;
  // A task that is destroyed without being run stays accepted: Engine::unfinished_rollbacks()
  // returns it again.
  ~RollbackTask();

  [[nodiscard]] const std::string& request_id() const;
  [[nodiscard]] const std::string& disk_id() const;
  [[nodiscard]] const std::string& snapshot_id() const;

  // The result is recorded before the lock of the disk is released: success by the record that ends
  // the rollback. After kCancelled nothing is recorded, and the rollback stays accepted.
  [[nodiscard]] Result<RollbackReceipt> run(const Monitor& monitor = {});

 private:
  friend class Engine;
  struct Impl;
  explicit RollbackTask(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class BLKREWIND_API SnapshotTask {
 public:
  SnapshotTask(SnapshotTask&&) noexcept;
  SnapshotTask& operator=(SnapshotTask&&) noexcept;
  // A task that is destroyed without being run leaves no trace of the snapshot.
  ~SnapshotTask();

  [[nodiscard]] const std::string& snapshot_id() const;
  [[nodiscard]] const std::string& disk_id() const;
  // The client token was already used, for this snapshot: there is nothing to run.
  [[nodiscard]] bool is_repeated() const;

  [[nodiscard]] Result<SnapshotReceipt> run(const Monitor& monitor = {});

 private:
  friend class Engine;
  struct Impl;
  explicit SnapshotTask(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace blkrewind
