// What a store needs of the place where it is kept: the format header, a log for each disk and one
// for the index, a lease for each disk, and segments.
//
// The code above names logs, disks and segments by number; it knows no path, no rename and no lock
// byte. A home keeps bytes and does not understand them, but for the epoch that every append names.
//
// A log is changed by compare-and-swap: an append says which head it was built on, and is refused
// if that is no longer the last one (kStale: read on, build again). A disk is changed by its owner
// alone, who holds its lease. The epoch counts owners: taking a lease over raises it, and from then
// on an append that names an older one is refused for good (kFenced), also if the former owner
// still believes that it owns the disk.
//
// Thread-safe, but each HomeLog is used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/records.h"
#include "format/store_header.h"
#include "io/env.h"

namespace blkrewind::store {

// The purpose of a record, which determines how much of the room set aside for it it may use.
enum class Room : std::uint8_t {
  kAdds,    // none: refused unless all of it is left
  kBegins,  // half: a rollback without undo, which can be needed to free space
  kFrees,   // all of it
};
struct Need {
  Room room = Room::kAdds;
  std::uint64_t reserve_bytes = 0;  // to be set aside behind the record
};

// A place in a log: behind the last record that was read.
struct Head {
  std::uint64_t generation = 0;     // counts replace(); 0: nothing was read yet
  std::uint64_t next_sequence = 0;  // of the next record
  std::uint64_t epoch = 0;          // the highest that an owner has named
  std::uint64_t end_bytes = 0;      // of the log, up to here
  std::uint64_t records = 0;        // since the last replace()
  friend bool operator==(const Head&, const Head&) = default;
};

enum class NotAppended : std::uint8_t {
  kStale,    // other records follow the expected head; nothing was written
  kFenced,   // the epoch is over; nothing was written
  kRefused,  // the error says why; nothing was written
  kInDoubt,  // whether it was written is unknown; this process must not go on
};
struct AppendFailure {
  NotAppended why = NotAppended::kRefused;
  Error error;
};
using Appended = tl::expected<Head, AppendFailure>;

class HomeLog {
 public:
  virtual ~HomeLog() = default;
  HomeLog(const HomeLog&) = delete;
  HomeLog& operator=(const HomeLog&) = delete;

  // For messages.
  [[nodiscard]] virtual std::string name() const = 0;

  struct Reader {
    // The log was replaced: what was read before is void, its first record follows.
    std::function<void()> restart;
    // A whole record, as format::encode_record() made it.
    std::function<Status(std::span<const std::byte>)> record;
  };
  // Hands on the records that follow `head`, in order, and moves it behind the last one. Takes no
  // lock, and waits for no other process. kIntegrity: a record that was flushed once is gone.
  [[nodiscard]] virtual Status read(Head& head, const Reader& reader) = 0;

  // What read() has no use for as long as nothing else is damaged, of a log that was read up to
  // `head`. kIntegrity: it is; every record that was read is intact.
  [[nodiscard]] virtual Status check(const Head& head) {
    (void)head;
    return {};
  }

  // Returns after the record is durable.
  [[nodiscard]] virtual Appended append(const Head& expected, std::uint64_t epoch,
                                        std::span<const std::byte> record, const Need& need) = 0;

  // A checkpoint: the log consists of the records that `write` hands to its argument, the first of
  // which has the number expected.next_sequence. All or nothing.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  [[nodiscard]] virtual Appended replace(const Head& expected, std::uint64_t epoch,
                                         const Need& need,
                                         const std::function<Status(const Sink&)>& write) = 0;

  // Returns once all up to `head`, the place that was read last, survives a power cut, also what
  // another process wrote and did not live to flush. To be called before anything irreversible is
  // built on it; append() does so itself.
  // kFenced as there: a former owner must not write to the device either.
  [[nodiscard]] virtual Appended make_durable(const Head& head, std::uint64_t epoch) = 0;

  // After an append that frees space: so little is left of what was set aside for the next ones
  // that only a replace() gives it back, which takes about `checkpoint_bytes`.
  [[nodiscard]] virtual bool is_short_of_room(const Head& head, const Need& need,
                                              std::uint64_t checkpoint_bytes) {
    (void)head, (void)need, (void)checkpoint_bytes;
    return false;
  }

 protected:
  HomeLog() = default;
};

// The ownership of a disk; given up by its destructor, or lost with the process.
class HomeLease {
 public:
  virtual ~HomeLease() = default;
  HomeLease(const HomeLease&) = delete;
  HomeLease& operator=(const HomeLease&) = delete;

  // Under which the owner appends, from its first record to its last. `head`: of the disk's log,
  // read after the lease was taken, and before the first of them.
  [[nodiscard]] virtual std::uint64_t epoch(const Head& head) const = 0;

 protected:
  HomeLease() = default;
};

// What the header of the store says, and every log is read and written with.
struct LogKey {
  format::StoreUuid store{};
  DigestSecret secret{};
};

class Home {
 public:
  virtual ~Home() = default;
  Home() = default;
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  // Machine and names for the files that segment calls return, and a folder of this machine for
  // temporary files.
  [[nodiscard]] virtual io::Env& env() = 0;
  [[nodiscard]] virtual const std::string& folder() const = 0;

  // kNotFound: there is no store here.
  [[nodiscard]] virtual Result<format::StoreHeader> read_header() = 0;
  // Whether this process may only read, whatever permissions say: the store has a format that this
  // program brings over before it writes to it. Empty: it may write.
  [[nodiscard]] virtual Status check_writable() const { return {}; }

  // kNotFound: there is none. format::kIndexLog: that of the index.
  [[nodiscard]] virtual Result<std::unique_ptr<HomeLog>> open_log(format::DiskNumber disk,
                                                                  const LogKey& key) = 0;
  // kPrecondition: the log that is there is not the disk's but that of another one. Not there, or
  // damaged: not an error.
  [[nodiscard]] virtual Status check_own_log(format::DiskNumber disk, const LogKey& key) {
    (void)disk, (void)key;
    return {};
  }
  // An empty log, durable, and room for the disk's segments. kAlreadyExists.
  [[nodiscard]] virtual Status create_log(format::DiskNumber disk, const LogKey& key) = 0;
  // Log and segments, and whatever an interrupted call of these two left. Not there: not an error.
  [[nodiscard]] virtual Status remove_disk(format::DiskNumber disk) = 0;
  // Every disk of which anything is here, complete or not; in any order.
  [[nodiscard]] virtual Status for_each_disk(
      const std::function<Status(format::DiskNumber)>& visit) = 0;

  // Null: it has an owner, or (of a shared lease) an owner that may change it. A shared lease keeps
  // owners away, and may be held by several processes that only read.
  [[nodiscard]] virtual Result<std::unique_ptr<HomeLease>> take_lease(format::DiskNumber disk,
                                                                      io::LockMode mode) = 0;
  [[nodiscard]] virtual Result<bool> has_owner(format::DiskNumber disk) = 0;

  // For as long as the lock is held: shared by readers of the snapshot, exclusive to who deletes
  // it. Does not wait; null: it is held otherwise. A reader looks into the log after it has got it,
  // and what it reads then is complete; a delete writes its first record before it gives it up, so
  // that no reader finds a snapshot there whose chunks go. Ends with the process. A snapshot that
  // no log names may be held.
  [[nodiscard]] virtual Result<std::unique_ptr<io::Lock>> hold_snapshot(
      format::DiskNumber disk, format::SnapshotNumber snapshot, io::LockMode mode) = 0;
  // Processes that hold it now, for messages: "blkrewind (process 4711)". Empty: none is visible.
  [[nodiscard]] virtual std::string holders(format::DiskNumber disk,
                                            format::SnapshotNumber snapshot) {
    (void)disk, (void)snapshot;
    return {};
  }

  // Whether a write to a segment that failed may still happen, at any time, also to another segment
  // that was given its name meanwhile. Then a name is given up only after its number was used up
  // (History::remove_orphans()), and create_segment() returns when the name is durable.
  [[nodiscard]] virtual bool has_late_writes() const { return false; }
  // A new segment, open for writing. kAlreadyExists.
  [[nodiscard]] virtual Result<std::unique_ptr<io::File>> create_segment(format::DiskNumber disk,
                                                                         format::SegmentId id) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<io::File>> open_segment(format::DiskNumber disk,
                                                                       format::SegmentId id,
                                                                       io::Access access) = 0;
  [[nodiscard]] virtual Status remove_segment(format::DiskNumber disk, format::SegmentId id) = 0;
  // The space that it occupies.
  [[nodiscard]] virtual Result<std::uint64_t> segment_bytes(format::DiskNumber disk,
                                                            format::SegmentId id) = 0;
  [[nodiscard]] virtual Status for_each_segment(
      format::DiskNumber disk, const std::function<Status(format::SegmentId)>& visit) = 0;
  // After it the segments that were created are there after a power cut, if they were flushed.
  [[nodiscard]] virtual Status sync_segments(format::DiskNumber disk) = 0;
  [[nodiscard]] virtual std::string segment_name(format::DiskNumber disk,
                                                 format::SegmentId id) const = 0;
};

}  // namespace blkrewind::store
