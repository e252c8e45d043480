// A store: its header, journal, segments and locks.
//
// Opening reads the format file and replays the journal; it writes nothing. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "blkrewind/info.h"
#include "format/records.h"
#include "format/store_header.h"
#include "io/env.h"
#include "store/journal.h"
#include "store/layout.h"
#include "store/segment_files.h"
#include "store/segment_writer.h"
#include "store/state.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

class Store {
 public:
  // Creates a store in a missing or empty directory. After an interruption there is no format file,
  // and a second create() starts again.
  [[nodiscard]] static Status create(io::Env& machine, const std::string& path);
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(io::Env& machine,
                                                           const std::string& path);
  // Whether the directory contains a store.
  [[nodiscard]] static Result<bool> exists(io::Env& env, const std::string& path);

  // `folder`: Env::beneath() of the store's directory; null: `env` itself is used.
  Store(io::Env& env, std::unique_ptr<io::Env> folder, Layout layout,
        const format::StoreHeader& header);

  // For the store's files and everything else.
  [[nodiscard]] io::Env& env() { return env_; }
  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] const format::StoreHeader& header() const { return header_; }
  [[nodiscard]] const DigestSecret& secret() const { return header_.secret; }
  [[nodiscard]] Journal& journal() { return journal_; }
  [[nodiscard]] SegmentFiles& files() { return files_; }
  [[nodiscard]] std::shared_ptr<const State> state() const { return journal_.state(); }

  // kUnsupported if a feature of the store forbids this program to write to it. Every operation
  // that appends to the journal must call this first; lock_disk(), make_writer() and
  // remove_orphans() do so themselves.
  [[nodiscard]] Status check_writable() const;

  // The lock of one disk, for the duration of one operation; kBusy if another operation holds it.
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock_disk(format::DiskNumber disk);
  // Excludes operations on the disk, but not other readers; for a read-only store, on which the
  // lock above cannot be taken. kBusy as above.
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock_disk_shared(format::DiskNumber disk);
  // Whether the error means that this process may not write to the store: a read-only file system,
  // or missing permissions.
  [[nodiscard]] static bool may_only_be_read(const Error& error);
  [[nodiscard]] Result<bool> disk_is_locked(format::DiskNumber disk);

  // For an operation that adds to the store. kUnsupported if the store is read-only.
  [[nodiscard]] Result<std::unique_ptr<SegmentWriter>> make_writer();

  // Removes segments that no journal record names, left by crashed operations. Does nothing while
  // an operation that creates segments is running. Returns the number of files removed, and their
  // bytes.
  struct Orphans {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Result<Orphans> remove_orphans();

  [[nodiscard]] Result<StoreInfo> info();

 private:
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock_disk_in(format::DiskNumber disk,
                                                               io::LockMode mode);

  std::unique_ptr<io::Env> folder_;
  io::Env& env_;
  const Layout layout_;
  const format::StoreHeader header_;
  Journal journal_;
  SegmentFiles files_;
};

[[nodiscard]] Tree tree_of(const format::SnapshotRecord& snapshot);

}  // namespace blkrewind::store
