// Instances, their locks, and the instance of each disk: STORE/catalog.db, by SQLite.
//
// The catalog is the memory of the control layer only: no snapshot depends on it. In a store
// without one all disks belong to "i-local". It is created by the first change, so opening and
// reading a store writes nothing.
//
// "i-local" is the machine itself: it always exists, and its status is observed and never recorded
// (the status in its row is empty). A disk without a row has been attached to it since it was
// registered.
//
// Threads: any; one connection behind a mutex. Processes and machines: every change is one
// immediate transaction of SQLite with a rollback journal. Readers wait while one is being
// committed, and it waits for those that read already; each waits up to kBusyTimeoutMs. No file is
// mapped (catalog_connections.h), so a full file system is an error of a change, and of nothing
// else.
//
// Reading needs no write access and no room. A catalog that cannot be locked, or has the
// write-ahead log of an earlier version, which cannot be replaced now, is read without locks, log
// included. It is verified, as always when it is opened, and closed after each read, so that every
// read sees the current content. The rules, above all the locks, are therefore the same; a change
// reports why it is not possible.
//
// Errors: kIntegrity - damaged, or not a catalog; kUnsupported - of a newer version; kBusy -
// another process kept it locked; kIo, kNoSpace - the file system. Changes that violate a rule
// return kPrecondition, kNotFound or kAlreadyExists with the API's code.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "control/catalog/catalog_old_rows.h"
#include "control/catalog/catalog_schema.h"

namespace SQLite {
class Database;
class Transaction;
}  // namespace SQLite

namespace blkrewind::control {

class Seals;

inline constexpr std::string_view kLocalInstance = "i-local";
inline constexpr std::string_view kRunning = "Running";
inline constexpr std::string_view kStopped = "Stopped";
inline constexpr std::string_view kSecurityLock = "security";
// PRAGMA user_version. 2 added resets, snapshot notes and client tokens; 3 added the columns for
// measuring durations; 4 added the seals; 5 has no resets, notes and tokens any more. An older
// catalog is read as it is, and upgraded by its first change: to 4 while it has rows of these,
// which stay until hand_over_old_rows().
inline constexpr int kCatalogVersion = 5;
inline constexpr int kBusyTimeoutMs = 10'000;
inline constexpr int kCatalogApplicationId = 0x626C6B72;  // "blkr"; as file(1) shows it

struct InstanceRow {
  std::string id;
  std::string name;
  std::string status;              // kRunning, kStopped; empty for i-local
  std::vector<std::string> locks;  // reasons, sorted
  std::int64_t expires_at = 0;     // 0: never
  bool in_arrears = false;
  std::int64_t created_at = 0;

  [[nodiscard]] bool is_local() const { return id == kLocalInstance; }
  [[nodiscard]] bool has_lock(std::string_view reason) const;
};

struct Attachment {
  std::string disk_id;
  std::string instance_id;  // empty: Available
  std::int64_t attached_at = 0;
  std::int64_t first_detached_at = 0;
  std::int64_t detached_at = 0;       // the most recent time
  std::uint64_t detached_before = 0;  // number of the first snapshot since then; 0: not recorded
};

class Catalog {
 public:
  // Reads the file's version if it exists. `path` ":memory:": a private catalog of this object.
  [[nodiscard]] static Result<std::unique_ptr<Catalog>> open(std::string path);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // i-local first, then in the order of creation; for one instance nullopt if it does not exist.
  [[nodiscard]] Result<std::vector<InstanceRow>> instances();
  [[nodiscard]] Result<std::optional<InstanceRow>> instance(const std::string& id);
  // nullopt: no row, so attached to i-local since its registration.
  [[nodiscard]] Result<std::optional<Attachment>> attachment(const std::string& disk_id);
  [[nodiscard]] Result<std::vector<Attachment>> attachments();

  [[nodiscard]] Status create_instance(const std::string& id, const std::string& name,
                                       std::int64_t now);
  // kRunning or kStopped; refused if it already has that status or the instance is locked for
  // security. `dry_run`: changes nothing, and returns DryRunOperation instead of success.
  [[nodiscard]] Status set_status(const std::string& id, std::string_view status,
                                  bool dry_run = false);
  // Locking twice for the same reason is one lock.
  [[nodiscard]] Status lock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status unlock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status change_instance(const std::string& id, const InstanceChange& change);
  // Refused while it is Running, locked for security, or one of `known_disks` is attached to it.
  [[nodiscard]] Status delete_instance(const std::string& id,
                                       std::span<const std::string> known_disks);

  [[nodiscard]] Status attach(const std::string& disk_id, const std::string& instance_id,
                              std::int64_t now);
  // `next_snapshot`: the number of the next snapshot.
  [[nodiscard]] Status detach(const std::string& disk_id, std::int64_t registered_at,
                              std::int64_t now, std::uint64_t next_snapshot);
  [[nodiscard]] Status forget_disk(const std::string& disk_id);

  // catalog_old_rows.cc. Empty in a catalog that never had any.
  [[nodiscard]] Result<OldRows> old_rows();
  // For the upgrade of a store, which carries them over to its logs. They are dropped when `take`
  // has succeeded, in one change: until then no other program can add one (an earlier version of
  // the server may still run), and afterwards it finds no table. kBusy: another program has it
  // open. If the change fails after `take` has succeeded, the next call drops them.
  [[nodiscard]] Status hand_over_old_rows(const std::function<Status(const OldRows&)>& take);

  // The number of rows that this connection has digested: what its checks cost.
  [[nodiscard]] std::uint64_t digested_rows();

 private:
  explicit Catalog(std::string path);

  // If catalog.db was renamed or replaced, closes it: changes by other processes would not be seen,
  // and changes by this one would be lost.
  void leave_if_moved();
  // `wait_ms`: for other processes to close a catalog whose write-ahead log has to be replaced.
  [[nodiscard]] Status open_if_there(int wait_ms);
  // To read it once, if possible. `why`: the error of opening it with locks.
  [[nodiscard]] Status open_without_locks(Error why);
  using Connect = std::unique_ptr<SQLite::Database>(const std::string& path, StepLimit& limit);
  [[nodiscard]] Status open_with(Connect* connect);
  void close();
  void close_after(const Status& done);
  // One consistent view for all statements of a read, with its content verified. Null without a
  // file.
  [[nodiscard]] Status begin_view(std::unique_ptr<SQLite::Transaction>& view);
  [[nodiscard]] Status open_or_make();
  [[nodiscard]] Status check_version();
  // Inside a transaction: makes the tables those of the newest version that its rows permit.
  [[nodiscard]] Status upgrade();
  // Inside a transaction: verifies all rows, once after opening. Later each read and each change
  // verifies the rows that it looks at (seals_); a catalog from before version 4 is verified again
  // after each change by another process.
  [[nodiscard]] Status check_content();
  // Runs `body` and converts SQLite's exceptions into errors. `read` skips the body if there is no
  // file; `change` creates the file and wraps the body in a transaction, rolled back on any error.
  [[nodiscard]] Status read(const std::function<void(SQLite::Database&)>& body);
  [[nodiscard]] Status change(const std::function<Status(SQLite::Database&)>& body);
  [[nodiscard]] OldRows rows_of(SQLite::Database& database);

  const std::string path_;
  std::mutex mutex_;
  StepLimit steps_;                             // outlives the connection
  std::unique_ptr<SQLite::Database> database_;  // null: no file yet
  std::unique_ptr<Seals> seals_;                // of database_
  std::optional<Error> unlocked_;               // why; nullopt: it is open with locks
  // Before version 4: PRAGMA data_version when the content was last verified.
  std::optional<int> checked_version_;
};

// The result of removing a catalog row about `id`, which is no longer in the journal. If the
// catalog cannot be written (a full or read-only file system), the error is only logged: the row
// does no harm, and the next `store gc` removes it.
[[nodiscard]] Status tolerate_leftover_row(Status removed, const std::string& id);

// "The specified InstanceId does not exist."
[[nodiscard]] Error no_such_instance(const std::string& id);

}  // namespace blkrewind::control
