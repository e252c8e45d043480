// A log in a file.
//
// An append takes the log's lock, checks that no record follows the expected head, writes, flushes,
// and writes the tail. Reading takes no lock: the file only grows, and an incomplete record is
// ignored.
//
// After a power cut
//   before the record is complete    -> it does not exist; nothing that it names is visible
//   after it, before the flush       -> it exists or not, never in part (checksum, whole blocks)
//   after the flush                  -> it exists; the tail block detects it if it is lost later
//   during a replacement             -> the old file exists (new file, flush, then rename)
// If only the process ends before the flush, the next one reads a record that a power cut can still
// remove: make_durable() makes it durable before anything is built on it, and every append does so
// first. A flush that failed is never retried: whether the record exists is in doubt.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "format/log_codec.h"
#include "io/env.h"
#include "store/home/home.h"
#include "store/home/local_layout.h"
#include "store/home/log_reserve.h"
#include "store/home/log_scan.h"

namespace blkrewind::store {

class LocalLog final : public HomeLog {
 public:
  // Writes an empty log under its final name; the caller flushes the folder.
  [[nodiscard]] static Status create(io::Env& env, const LocalLayout& layout,
                                     format::DiskNumber disk, const LogKey& key);
  // kNotFound: there is no file of that name.
  // As Home::check_own_log().
  [[nodiscard]] static Status check_own(io::Env& env, const LocalLayout& layout,
                                        format::DiskNumber disk, const LogKey& key);
  [[nodiscard]] static Result<std::unique_ptr<LocalLog>> open(io::Env& env, LocalLayout layout,
                                                              format::DiskNumber disk,
                                                              const LogKey& key);
  // One of an older version, whose file has that name; for reading. `have_lock`: the caller holds
  // its lock as long as it is read.
  [[nodiscard]] static std::unique_ptr<LocalLog> old_journal(io::Env& env, LocalLayout layout,
                                                             const LogKey& key, bool have_lock);

  [[nodiscard]] std::string name() const override { return path_; }
  [[nodiscard]] Status read(Head& head, const Reader& reader) override;
  [[nodiscard]] Appended append(const Head& expected, std::uint64_t epoch,
                                std::span<const std::byte> record, const Need& need) override;
  [[nodiscard]] Appended replace(const Head& expected, std::uint64_t epoch, const Need& need,
                                 const std::function<Status(const Sink&)>& write) override;
  [[nodiscard]] Appended make_durable(const Head& head, std::uint64_t epoch) override;
  [[nodiscard]] Status check(const Head& head) override;
  [[nodiscard]] bool is_short_of_room(const Head& head, const Need& need,
                                      std::uint64_t checkpoint_bytes) override;

 private:
  LocalLog(io::Env& env, LocalLayout layout, format::DiskNumber disk, const LogKey& key,
           std::uint32_t version, std::string path, std::uint64_t lock_byte);

  // The new file of a replacement, under its temporary name, flushed, with a reserve of its own.
  struct NewFile {
    std::unique_ptr<io::File> file;
    Head head;
    LogReserve reserve;
  };

  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock(io::LockMode mode);
  [[nodiscard]] Status read_all(io::Queue& queue, Head& head, const Reader& reader, bool have_lock);
  // Of the open file. A torn write can have left a whole record without the rest of its block.
  [[nodiscard]] Result<std::uint64_t> size_in_blocks();
  // With the lock: whether `head` is still the last one.
  [[nodiscard]] Result<bool> is_current(const Head& head);
  [[nodiscard]] Appended make_last_durable(io::Queue& queue, const Head& head);
  void write_tail(io::Queue& queue, const Head& head);
  [[nodiscard]] Appended replace_locked(io::Queue& queue, const Head& expected, const Need& need,
                                        const std::function<Status(const Sink&)>& write);
  [[nodiscard]] Result<NewFile> write_new(io::Queue& queue, const std::string& path,
                                          const Head& expected, const Need& need,
                                          const std::function<Status(const Sink&)>& write);
  [[nodiscard]] Status open_for_writing();
  [[nodiscard]] Result<std::unique_ptr<io::Queue>> make_queue();

  io::Env& env_;
  const LocalLayout layout_;
  const format::DiskNumber disk_;
  const format::StoreUuid uuid_;
  const LogMark mark_;
  const std::string path_;
  const std::uint64_t lock_byte_;

  bool have_lock_ = false;  // always

  std::unique_ptr<io::File> file_;  // read-only until the first append
  bool writable_ = false;
  host::FileId file_id_;
  std::uint64_t generation_ = 0;  // of file_
  bool tail_lost_ = false;        // when the file was read
  LogReserve reserve_;
  // The last record's blocks if another process wrote it, until it is known to be durable: either
  // the tail says so, or they are written again and flushed.
  std::vector<std::byte> foreign_last_;
};

}  // namespace blkrewind::store
