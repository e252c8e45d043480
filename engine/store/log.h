// The append-only log that holds the only mutable state of a disk, or of the index.
//
// Several processes may use one log. An update builds a transaction on the state that it has read
// and appends it by compare-and-swap (home/home.h); if other records came first, they are replayed
// and it builds again. A failed append is never retried: the log refuses all later appends of this
// process, because it is unknown whether the record exists.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "format/log_codec.h"
#include "store/home/home.h"
#include "store/state.h"

namespace blkrewind::store {

class Log {
 public:
  Log(std::unique_ptr<HomeLog> home, format::DiskNumber disk, const LogKey& key);

  // Replays the records appended since the last call; all records the first time. kIntegrity also
  // if the log is gone.
  [[nodiscard]] Status refresh();
  // The state as of the last refresh or update; never changes while the caller holds it.
  [[nodiscard]] std::shared_ptr<const State> state() const;

  // Returns what to append, given the current state; an empty transaction appends nothing. Called
  // again, on a later state, if another process was faster.
  using Build = std::function<Result<format::Transaction>(const State&)>;
  // Returns after the record was flushed. kNoSpace, and not in_doubt(): there is no space for what
  // the record adds, and nothing was written.
  [[nodiscard]] Status update(const Build& build, Room room = Room::kAdds);
  // An append or a checkpoint failed half-way: whether its record exists is unknown.
  [[nodiscard]] bool in_doubt() const;

  // To be called before any irreversible action that relies on the log (writing to a device,
  // punching, removing a file): replays, and ensures that the last record survives a power cut,
  // even if the process that wrote it died before its flush.
  [[nodiscard]] Status make_last_record_durable();

  // Rewrites the log as one put of every record, if `force` or if it has grown enough. kNoSpace:
  // there is no space for a second copy; the log is unchanged.
  [[nodiscard]] Result<bool> checkpoint(bool force);

  [[nodiscard]] std::string name() const { return home_->name(); }
  [[nodiscard]] Result<std::uint64_t> size_bytes();
  // As HomeLog::check(), of what was read last.
  [[nodiscard]] Status check();

  // This process owns the disk: what it appends from here on names the lease's epoch. Null: it owns
  // it no longer, and appends under the epoch that it reads.
  void set_owner(const HomeLease* lease);
  // The epoch that the owner's next record names.
  [[nodiscard]] std::uint64_t epoch() const;

 private:
  [[nodiscard]] Status refresh_locked();
  [[nodiscard]] std::uint64_t epoch_locked() const;
  [[nodiscard]] Result<std::vector<std::byte>> encode(const format::Transaction& transaction) const;
  [[nodiscard]] Status settle(AppendFailure failure);
  [[nodiscard]] Status check_owner() const;
  [[nodiscard]] std::uint64_t checkpoint_bytes() const;
  [[nodiscard]] bool grown_enough() const;
  [[nodiscard]] Status checkpoint_locked(Room room);

  const format::DiskNumber disk_;
  const LogKey key_;

  mutable std::mutex mutex_;
  std::unique_ptr<HomeLog> home_;
  std::shared_ptr<const State> state_;
  Head head_;
  const HomeLease* owner_ = nullptr;
  std::optional<std::uint64_t> owner_epoch_;  // from the owner's first use on
  bool fenced_ = false;                       // and lost the disk since
  std::optional<Error> broken_;               // no more appends
};

}  // namespace blkrewind::store
