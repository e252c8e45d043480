// Instances, their locks, which disk is attached to which, and what was accepted to be done later:
// STORE/catalog.db, by SQLite.
//
// The catalog is the control layer's memory and nothing else's: no snapshot depends on it. A store
// without one is a store whose disks all belong to "i-local". It is made at the first change, so
// opening and reading a store writes nothing.
//
// "i-local" is the machine itself: always there, its status observed and never recorded (row status
// is empty). A disk without a row is attached to it since it was registered.
//
// Threads: any; one connection behind a mutex. Processes: every change is one immediate
// transaction, and the write-ahead log lets readers go on meanwhile; a writer waits up to
// kBusyTimeoutMs.
//
// Reading must not need a writable place: SQLite makes files beside the catalog even to read it
// (-wal, -shm). Where they cannot be made (a read-only or full file system, a store that this user
// may only read) the file is opened to read only, with its log if that holds anything, and closed
// after each look, so that every look sees what is there then. The rules, locks above all, are
// thus the same; a change says why it is not possible.
//
// Errors: kIntegrity - damaged, or no catalog; kUnsupported - of a newer blkrewind; kBusy - another
// process kept it locked; kIo, kNoSpace - the file system. Rules that a change breaks are
// kPrecondition, kNotFound or kAlreadyExists with the API's code.
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

#include "base/clock.h"
#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "control/catalog/catalog_schema.h"

namespace SQLite {
class Database;
class Transaction;
}  // namespace SQLite

namespace blkrewind::control {

inline constexpr std::string_view kLocalInstance = "i-local";
inline constexpr std::string_view kRunning = "Running";
inline constexpr std::string_view kStopped = "Stopped";
inline constexpr std::string_view kSecurityLock = "security";
// PRAGMA user_version. 2 added resets, snapshot notes and client tokens; 3 added what durations are
// measured by. An older catalog is read as it is, and becomes one of this version at its first
// change.
inline constexpr int kCatalogVersion = 3;
inline constexpr int kBusyTimeoutMs = 10'000;

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
  std::int64_t detached_at = 0;       // last time
  std::uint64_t detached_before = 0;  // the number of the first snapshot since; 0: not recorded
};

inline constexpr std::string_view kNotRecorded =
    "-";  // by an older version; no request has this id

// The last rollback of a disk that was accepted to be done later, and how it ended.
struct ResetRow {
  std::string disk_id;
  std::string request_id;
  std::string snapshot_id;
  bool undo = true;
  ResetState state = ResetState::kAccepted;
  std::int64_t accepted_at = 0;
  std::int64_t finished_at = 0;  // 0: not yet
  std::string error_code;        // of a failed one
  std::string error_message;
  // With accepted_at the Moment of acceptance; a row of before version 3 has no boot id.
  std::int64_t accepted_boottime = 0;
  std::string accepted_boot_id;
  // The request of the disk's last rollback when this one was accepted.
  std::string last_before = std::string(kNotRecorded);

  [[nodiscard]] Moment accepted() const {
    return {accepted_at, accepted_boottime, accepted_boot_id};
  }
};

// How a reset ended.
struct ResetEnd {
  std::int64_t at = 0;
  std::string error_code;  // empty: it is done
  std::string error_message;
};

// What a snapshot carries besides its bytes; the journal does not know it.
struct SnapshotNote {
  std::string snapshot_id;
  std::uint32_t retention_days = 0;  // 0: for ever
  std::vector<Tag> tags;
};

// What a client token was used for, so that a request that is sent again is not done again.
struct TokenRow {
  std::string token;
  std::string parameters;  // of the request, as one text
  std::string snapshot_id;
};
inline constexpr std::int64_t kTokenSeconds = 24 * 3600;  // so long a token is remembered
inline constexpr int kTokensMax = 100'000;                // the oldest give way

class Catalog {
 public:
  // Reads the file's version if it is there. `path` ":memory:": a catalog of this object's own.
  [[nodiscard]] static Result<std::unique_ptr<Catalog>> open(std::string path);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // i-local first, then as they were created; of one instance nullopt when there is none.
  [[nodiscard]] Result<std::vector<InstanceRow>> instances();
  [[nodiscard]] Result<std::optional<InstanceRow>> instance(const std::string& id);
  // nullopt: no row, so attached to i-local since its registration.
  [[nodiscard]] Result<std::optional<Attachment>> attachment(const std::string& disk_id);
  [[nodiscard]] Result<std::vector<Attachment>> attachments();

  [[nodiscard]] Status create_instance(const std::string& id, const std::string& name,
                                       std::int64_t now);
  // kRunning or kStopped; refused when it is already so or the instance is locked for security.
  // `dry_run`: changes nothing, and ends with DryRunOperation where it would have.
  [[nodiscard]] Status set_status(const std::string& id, std::string_view status,
                                  bool dry_run = false);
  // Locking twice for one reason is one lock.
  [[nodiscard]] Status lock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status unlock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status change_instance(const std::string& id, const InstanceChange& change);
  // Refused while it is Running, locked for security, or one of `known_disks` is attached to it.
  [[nodiscard]] Status delete_instance(const std::string& id,
                                       std::span<const std::string> known_disks);

  [[nodiscard]] Status attach(const std::string& disk_id, const std::string& instance_id,
                              std::int64_t now);
  // `next_snapshot`: the number that the next snapshot gets.
  [[nodiscard]] Status detach(const std::string& disk_id, std::int64_t registered_at,
                              std::int64_t now, std::uint64_t next_snapshot);
  [[nodiscard]] Status forget_disk(const std::string& disk_id);

  // catalog_tasks.cc. One reset a disk: accepting another one puts it in the place of the last.
  [[nodiscard]] Status accept_reset(const ResetRow& row);
  // Without effect when that reset is not the disk's last one any more, or has ended.
  [[nodiscard]] Status end_reset(const std::string& disk_id, const std::string& request_id,
                                 const ResetEnd& end);
  [[nodiscard]] Result<std::optional<ResetRow>> reset_of(const std::string& disk_id);
  [[nodiscard]] Result<std::vector<ResetRow>> resets();

  // `token` is empty or remembered from `now` on.
  [[nodiscard]] Status note_snapshot(const SnapshotNote& note, const TokenRow& token,
                                     const Moment& now);
  [[nodiscard]] Result<std::vector<SnapshotNote>> snapshot_notes();
  [[nodiscard]] Result<std::optional<TokenRow>> token(const std::string& token, const Moment& now);
  [[nodiscard]] Status forget_snapshot(const std::string& snapshot_id);

  // catalog_clock.cc: counts the time that has passed since the last count, and returns the ids of
  // the notes whose retention is over. What cannot be written now is counted the next time.
  [[nodiscard]] Result<std::vector<std::string>> count_retention(const Moment& now);

 private:
  explicit Catalog(std::string path);

  // A file that is not at its place any more is nobody's: what others write does not arrive there,
  // and what is written into it is lost.
  void leave_if_moved();
  [[nodiscard]] Status open_if_there();
  // Where it can be opened to read only. `why`: what opening it for changes failed with.
  [[nodiscard]] Status open_to_read(Error why);
  [[nodiscard]] Status open_with(const std::function<std::unique_ptr<SQLite::Database>()>& connect);
  void close();
  // One view for all statements of a read, its content checked. Null without a file.
  [[nodiscard]] Status begin_view(std::unique_ptr<SQLite::Transaction>& view);
  [[nodiscard]] Status open_or_make();
  [[nodiscard]] Status check_version();
  // Inside a transaction: makes the tables that an older version did not have.
  [[nodiscard]] Status upgrade();
  // Inside a transaction: the rows are what was written.
  [[nodiscard]] Status check_content();
  // Runs `body` and turns what SQLite throws into errors. `read` skips the body when there is no
  // file; `change` makes the file and wraps the body in a transaction, taken back on any error.
  [[nodiscard]] Status read(const std::function<void(SQLite::Database&)>& body);
  [[nodiscard]] Status change(const std::function<Status(SQLite::Database&)>& body);

  const std::string path_;
  std::mutex mutex_;
  StepLimit steps_;                             // outlives the connection
  std::unique_ptr<SQLite::Database> database_;  // null: no file yet
  std::optional<Error> only_reads_;             // why; nullopt: it is open for changes
  std::optional<int> checked_version_;          // PRAGMA data_version when content was checked last
};

// How a catalog's row about `id`, which is gone from the journal already, was removed. A catalog
// that cannot be written (a full or read-only file system) is only logged: the row harms nothing,
// and the next `store gc` removes it.
[[nodiscard]] Status tolerate_leftover_row(Status removed, const std::string& id);

// "The specified InstanceId does not exist."
[[nodiscard]] Error no_such_instance(const std::string& id);

}  // namespace blkrewind::control
