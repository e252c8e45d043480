// The append-only log that holds the only mutable state of a store.
//
// Several processes may use one journal. An append takes the journal's lock, replays the records
// that others appended, and only then builds its transaction on the current state. Reading takes no
// lock: the file only grows, and an incomplete record is ignored.
//
// After a power cut
//   before the record is complete    -> it does not exist; nothing that it names is visible
//   after it, before the flush       -> it exists or not, never in part (checksum, whole blocks)
//   after the flush                  -> it exists; the tail block detects it if it is lost later
//   during a checkpoint              -> the old journal exists (new file, flush, then rename)
// If only the process ends before the flush, the next one reads a record that a power cut can still
// remove: make_last_record_durable() makes it durable before anything is built on it, and every
// append does so first. A failed append is never retried: the journal refuses all later appends of
// this process, because it is unknown whether the record exists.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/journal_codec.h"
#include "format/store_header.h"
#include "io/env.h"
#include "store/journal_reserve.h"
#include "store/layout.h"
#include "store/state.h"

namespace blkrewind::store {

class Journal {
 public:
  // Writes an empty journal under its final name; the caller flushes the directory.
  [[nodiscard]] static Status create(io::Env& env, const Layout& layout,
                                     const format::StoreHeader& header);

  Journal(io::Env& env, Layout layout, const format::StoreHeader& header);

  // Replays the records appended since the last call; all records the first time.
  [[nodiscard]] Status refresh();
  // The state as of the last refresh or update; never changes while the caller holds it.
  [[nodiscard]] std::shared_ptr<const State> state() const;

  // Returns what to append, given the current state; an empty transaction appends nothing.
  using Build = std::function<Result<format::Transaction>(const State&)>;
  // Returns after the record was flushed. kNoSpace, and not in_doubt(): there is no space for what
  // the record adds, and nothing was written.
  [[nodiscard]] Status update(const Build& build, Room room = Room::kAdds);
  // An append or a checkpoint failed half-way: whether its record exists is unknown.
  [[nodiscard]] bool in_doubt() const;

  // To be called before any irreversible action that relies on the journal (writing to a device,
  // punching, removing a file): replays, and ensures that the last record survives a power cut,
  // even if the process that wrote it died before its flush.
  [[nodiscard]] Status make_last_record_durable();

  // Rewrites the journal as one put of every record, if `force` or if it has grown enough.
  // kNoSpace: there is no space for a second file; the journal is unchanged.
  [[nodiscard]] Result<bool> checkpoint(bool force);

  [[nodiscard]] Result<std::uint64_t> size_bytes();

 private:
  [[nodiscard]] Status refresh_locked(bool have_lock);
  [[nodiscard]] Status replay_all(io::Queue& queue, bool have_lock);
  [[nodiscard]] Status append(io::Queue& queue, const format::Transaction& transaction, Room room);
  [[nodiscard]] Status make_last_record_durable_locked(io::Queue& queue);
  [[nodiscard]] tl::unexpected<Error> break_off(Error error);
  void write_tail(io::Queue& queue);
  [[nodiscard]] std::uint64_t checkpoint_bytes() const;
  [[nodiscard]] bool grown_enough() const;
  [[nodiscard]] Status checkpoint_locked(io::Queue& queue, Room room = Room::kAdds);
  // The new file of a checkpoint, under its temporary name, flushed, with a reserve of its own.
  struct NewFile {
    std::unique_ptr<io::File> file;
    format::JournalHeader header;
    std::uint64_t end = 0;
    std::uint64_t next_sequence = 0;
    std::uint64_t records = 0;
    JournalReserve reserve;
  };
  [[nodiscard]] Result<NewFile> write_checkpoint(io::Queue& queue, const std::string& path,
                                                 Room room);
  void regain_reserve(io::Queue& queue);
  [[nodiscard]] Status open_for_writing();
  [[nodiscard]] Result<std::unique_ptr<io::Queue>> make_queue();

  io::Env& env_;
  const Layout layout_;
  const format::StoreUuid uuid_;
  const DigestSecret secret_;

  mutable std::mutex mutex_;
  std::shared_ptr<const State> state_;
  std::unique_ptr<io::File> file_;  // read-only until the first append
  bool writable_ = false;
  host::FileId file_id_;
  format::JournalHeader header_;
  JournalReserve reserve_;
  std::uint64_t end_ = 0;  // offset of the next record
  std::uint64_t next_sequence_ = 1;
  std::uint64_t records_ = 0;  // in this file
  // The last record's blocks if another process wrote it, until it is known to be durable: either
  // the tail says so, or they are written again and flushed.
  std::vector<std::byte> foreign_last_;
  std::optional<Error> broken_;  // a flush failed: no more appends
};

}  // namespace blkrewind::store
