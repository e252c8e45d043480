// The append-only log that is the only mutable truth of a store.
//
// Several processes may use one journal. Appending takes the journal's lock, replays what others
// appended, and only then builds its own transaction on the state that holds now. Reading takes no
// lock: the file only grows, and a record that is not whole yet is not there yet.
//
// When power goes
//   before the record is whole     -> it is not there; nothing that it names is visible
//   after it, before the flush     -> it is there or not, never in part (checksum, whole blocks)
//   after the flush                -> it is there; the tail block notices if it is lost later
//   during a checkpoint            -> the old journal is there (a new file, flushed, then renamed)
// When only the process ends before the flush, the next one reads a record that a power cut can
// still take away: settle() makes it durable before anything is built on it, and every append does
// so first. An append that fails is never retried: the journal refuses every later one of this
// process, since it cannot know whether the record is there.
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

  // Replays what was appended since the last call; everything the first time.
  [[nodiscard]] Status refresh();
  // As of the last refresh or update; never changes under the holder.
  [[nodiscard]] std::shared_ptr<const State> state() const;

  // What to append, given the state that holds now; an empty one appends nothing.
  using Build = std::function<Result<format::Transaction>(const State&)>;
  // Returns after the record was flushed. kNoSpace, and not in_doubt(): there is no room for what
  // the record adds, and nothing was written.
  [[nodiscard]] Status update(const Build& build, Room room = Room::kAdds);
  // An append or a checkpoint failed half-way: whether its record is there is not known.
  [[nodiscard]] bool in_doubt() const;

  // For whoever is about to do what cannot be taken back because of what the journal says (write to
  // a device, punch, remove a file): replays, and makes sure that the last record will still be
  // there after a power cut, although the process that wrote it may have died before its flush.
  [[nodiscard]] Status settle();

  // Rewrites the journal as one put of every record, if `force` or if it has grown enough.
  // kNoSpace: there is no room for a second file; the journal is as it was.
  [[nodiscard]] Result<bool> checkpoint(bool force);

  [[nodiscard]] Result<std::uint64_t> size_bytes();

 private:
  [[nodiscard]] Status refresh_locked(bool have_lock);
  [[nodiscard]] Status replay_all(io::Queue& queue, bool have_lock);
  [[nodiscard]] Status append(io::Queue& queue, const format::Transaction& transaction, Room room);
  [[nodiscard]] Status settle_locked(io::Queue& queue);
  [[nodiscard]] tl::unexpected<Error> break_off(Error error);
  void write_tail(io::Queue& queue);
  [[nodiscard]] bool grown_enough() const;
  [[nodiscard]] Status checkpoint_locked(io::Queue& queue, Room room = Room::kAdds);
  // The file that a checkpoint makes, under its temporary name, flushed, with a reserve of its own.
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
  std::uint64_t end_ = 0;  // where the next record goes
  std::uint64_t next_sequence_ = 1;
  std::uint64_t records_ = 0;  // in this file
  // The last record's blocks when another process wrote it, until it is known to be durable: either
  // the tail says so, or they are written again and flushed.
  std::vector<std::byte> foreign_last_;
  std::optional<Error> broken_;  // a flush failed: no more appends
};

}  // namespace blkrewind::store
