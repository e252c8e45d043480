// A store: its header, its index, and the history of each disk.
//
//   header    version, features and the digest secret
//   index     which disks there are, and the evidence by which they are recognised: a log
//   history   of one disk: its own log and segments (history.h)
//
// The log of a disk is the truth about it; the index finds it. An entry of the index is a copy of
// the disk's record without what every operation changes, and may be ahead of the log by the change
// that a crash interrupted, but never behind it: it is written first. Opening a store reads the
// index alone. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "blkrewind/error.h"
#include "blkrewind/info.h"
#include "format/records.h"
#include "format/store_header.h"
#include "io/env.h"
#include "store/history.h"
#include "store/home/home.h"
#include "store/log.h"
#include "store/state.h"

namespace blkrewind::store {

class Store {
 public:
  // Creates a store in a missing or empty directory. After an interruption there is no format file,
  // and a second create() starts again.
  [[nodiscard]] static Status create(io::Env& machine, const std::string& path);
  // Writes nothing. A store of version 1 can be read (version1_home.h).
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(io::Env& machine,
                                                           const std::string& path);
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(std::unique_ptr<Home> home);
  // Whether the directory contains a store.
  [[nodiscard]] static Result<bool> exists(io::Env& env, const std::string& path);

  // With a new secret and a new UUID.
  [[nodiscard]] static Result<format::StoreHeader> new_header();

  Store(std::unique_ptr<Home> home, const format::StoreHeader& header,
        std::unique_ptr<HomeLog> index);

  // For the store's files and everything else.
  [[nodiscard]] io::Env& env() { return home_->env(); }
  [[nodiscard]] Home& home() { return *home_; }
  [[nodiscard]] const std::string& folder() const { return home_->folder(); }
  [[nodiscard]] const format::StoreHeader& header() const { return header_; }
  [[nodiscard]] const DigestSecret& secret() const { return header_.secret; }

  // kUnsupported if a feature of the store forbids this program to write to it. Every operation
  // that changes the index must call this first; leases and writers do so themselves.
  [[nodiscard]] Status check_writable() const;
  // Whether the error means that this process may not write to the store: a read-only file system,
  // or missing permissions.
  [[nodiscard]] static bool may_only_be_read(const Error& error);

  // The index, with one record for each disk.
  [[nodiscard]] Log& index() { return index_; }
  [[nodiscard]] std::shared_ptr<const State> disks() const { return index_.state(); }

  // The history of a disk, as it is now. kNotFound: there is no such disk, or another process has
  // removed it meanwhile. kIntegrity: its log is damaged or missing.
  [[nodiscard]] Result<std::shared_ptr<History>> history(format::DiskNumber disk);

  // The right to change a disk, for the duration of one operation; kBusy if another operation has
  // it.
  [[nodiscard]] Result<std::shared_ptr<Lease>> lease(format::DiskNumber disk);
  // Excludes operations on the disk, but not other readers; for a store that cannot be written.
  // kBusy as above.
  [[nodiscard]] Result<std::unique_ptr<HomeLease>> lease_for_reading(format::DiskNumber disk);
  [[nodiscard]] Result<bool> has_owner(format::DiskNumber disk);

  // Adds a disk. `build` is given the index and returns the entries that change it (the new disk's
  // record among them, with `number`), or none to add no disk.
  //
  //   1. index: the number is taken
  //   2. the disk's log, with the first record; flushed
  //   3. index: the disk                                <- it exists
  //
  // After a power cut before 3 the number is lost, and what is there of the disk is removed by
  // remove_strays(). `build` may be called several times, and the last call counts. kIntegrity:
  // there is a disk of that number, which this index does not name; it stays as it is.
  using BuildDisk =
      std::function<Result<format::Transaction>(const State& index, format::DiskNumber number)>;
  //
  // `begin` says what more the disk's log and the index get with its record. Called once, between 1
  // and 2; may write segments of the disk.
  struct Beginning {
    format::Transaction log;
    format::Transaction index;
    // Called immediately before 3, again for each attempt: an error, and the disk is not added.
    std::function<Status()> confirm;
  };
  using BeginDisk =
      std::function<Result<Beginning>(format::DiskNumber number, std::uint64_t epoch)>;
  [[nodiscard]] Status add_disk(const BuildDisk& build, const BeginDisk& begin = {});
  // Changes the index's copy of the disk's record to `record`, before the log's. Under its lease.
  [[nodiscard]] Status note_disk(const format::DiskRecord& record);
  // Removes the disk from the index, then all that there is of it. Under its lease. kPrecondition:
  // a clone shares with it.
  [[nodiscard]] Status remove_disk(format::DiskNumber disk);
  // The same for a disk whose log is damaged or missing, which this returns; takes its lease. What
  // its snapshots were stays unknown. Any other failure to read the log is an error, because the
  // log may be intact. kPrecondition: the log can be read, or files of another disk are among those
  // of this one.
  [[nodiscard]] Result<Error> remove_lost_disk(format::DiskNumber disk);
  // Removes what the index does not name: disks that were half added, or half removed.
  [[nodiscard]] Result<std::uint64_t> remove_strays();

  // A disk that cannot be read is named, and not counted.
  [[nodiscard]] Result<StoreInfo> info();

 private:
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(std::unique_ptr<Home> home,
                                                           const format::StoreHeader& header);
  [[nodiscard]] Result<std::shared_ptr<History>> open_history(format::DiskNumber disk);
  [[nodiscard]] Result<std::shared_ptr<History>> read_history(format::DiskNumber disk);
  [[nodiscard]] Status check_names_all_disks();
  enum class Reads : std::uint8_t { kAnyone, kOwner };
  [[nodiscard]] Result<std::shared_ptr<History>> read_whole_history(format::DiskNumber disk,
                                                                    Reads reads);
  [[nodiscard]] Result<std::shared_ptr<History>> history(format::DiskNumber disk, Reads reads);
  // Adds nothing if it fails.
  [[nodiscard]] Status add_info(format::DiskNumber disk, StoreInfo& info);
  [[nodiscard]] Result<std::unique_ptr<HomeLease>> own(format::DiskNumber disk);
  [[nodiscard]] std::string name_of(format::DiskNumber disk) const;
  // Step 1 of add_disk().
  [[nodiscard]] Result<format::DiskNumber> take_number();
  [[nodiscard]] tl::unexpected<Error> unnamed_disk(format::DiskNumber disk) const;

  static constexpr std::size_t kHistoriesKept = 8;

  const std::unique_ptr<Home> home_;
  const format::StoreHeader header_;
  Log index_;
  std::mutex mutex_;
  std::map<format::DiskNumber, std::weak_ptr<History>> open_;
  std::list<std::shared_ptr<History>> kept_;  // used last, so that the next use replays little
};

}  // namespace blkrewind::store
