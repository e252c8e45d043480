#include "store/home/local_log.h"

#include <cstring>
#include <utility>

#include "base/aligned_buffer.h"
#include "store/home/read_only_store.h"
#include "store/home/store_file.h"

namespace blkrewind::store {
namespace {

using format::kLogBlockBytes;
using format::kLogRecordsOffset;
using format::kLogTailOffset;

format::Block block_of(AlignedBuffer& buffer) {
  return format::Block(buffer.data(), kLogBlockBytes);
}

AlignedBuffer aligned_copy(std::span<const std::byte> bytes) {
  AlignedBuffer buffer(bytes.size());
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return buffer;
}

tl::unexpected<AppendFailure> not_appended(NotAppended why, Error error = {}) {
  return tl::make_unexpected(AppendFailure{why, std::move(error)});
}

tl::unexpected<AppendFailure> refused(Error error) {
  return not_appended(NotAppended::kRefused, std::move(error));
}

tl::unexpected<AppendFailure> in_doubt(Error error) {
  return not_appended(NotAppended::kInDoubt, std::move(error));
}

}  // namespace

Status LocalLog::create(io::Env& env, const LocalLayout& layout, format::DiskNumber disk,
                        const LogKey& key) {
  BLKREWIND_ASSIGN(auto file, env.open(layout.log(disk), {.access = io::Access::kReadWrite,
                                                          .create_new = true,
                                                          .in_place = true}));
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
  AlignedBuffer blocks(kLogRecordsOffset);
  std::memset(blocks.data(), 0, blocks.size());
  format::encode_log_header(key.secret, {.store = key.store, .disk = disk}, block_of(blocks));
  BLKREWIND_TRY(io::write_now(*queue, *file, {0, blocks.size()}, blocks.data()));
  return io::flush_now(*queue, *file);
}

Result<std::unique_ptr<LocalLog>> LocalLog::open(io::Env& env, LocalLayout layout,
                                                 format::DiskNumber disk, const LogKey& key) {
  std::string path = layout.log(disk);
  BLKREWIND_ASSIGN(const bool there, env.exists(path));
  if (!there) {
    return fail(Errc::kNotFound, "the log " + path + " is missing",
                "bring it back from a backup of the store");
  }
  return std::unique_ptr<LocalLog>(new LocalLog(env, std::move(layout), disk, key,
                                                format::kLogVersion, std::move(path),
                                                LocalLayout::log_lock(disk)));
}

Status LocalLog::check_own(io::Env& env, const LocalLayout& layout, format::DiskNumber disk,
                           const LogKey& key) {
  const std::string path = layout.log(disk);
  const auto file = open_store_file(env, path, {});
  if (!file && file.error().code == Errc::kNotFound) return {};
  if (!file) return fail(file.error());
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
  AlignedBuffer block(kLogBlockBytes);
  BLKREWIND_ASSIGN(const std::uint64_t there,
                   io::read_there_now(*queue, **file, {0, block.size()}, block.data()));
  if (there < block.size()) return {};
  const auto header = format::decode_log_header(key.secret, key.store, block_of(block));
  if (!header || header->disk == disk) return {};
  return fail(Errc::kPrecondition,
              path + " is the log of disk " + std::to_string(header->disk) + " of this store",
              "move it to where it belongs, then try again");
}

std::unique_ptr<LocalLog> LocalLog::old_journal(io::Env& env, LocalLayout layout, const LogKey& key,
                                                bool have_lock) {
  std::string path = layout.old_journal();
  std::unique_ptr<LocalLog> log(new LocalLog(env, std::move(layout), format::kIndexLog, key, 1,
                                             std::move(path), LocalLayout::kOldJournalLock));
  log->have_lock_ = have_lock;
  return log;
}

LocalLog::LocalLog(io::Env& env, LocalLayout layout, format::DiskNumber disk, const LogKey& key,
                   std::uint32_t version, std::string path, std::uint64_t lock_byte)
    : env_(env),
      layout_(std::move(layout)),
      disk_(disk),
      uuid_(key.store),
      mark_{key.secret, version, disk},
      path_(std::move(path)),
      lock_byte_(lock_byte) {}

Result<std::unique_ptr<io::Queue>> LocalLog::make_queue() { return env_.make_queue({.depth = 1}); }

Result<std::unique_ptr<io::Lock>> LocalLog::lock(io::LockMode mode) {
  return env_.lock(layout_.format(), lock_byte_, mode);
}

Status LocalLog::read(Head& head, const Reader& reader) {
  BLKREWIND_ASSIGN(const host::FileId now, env_.identify(path_));
  bool replaced = file_ == nullptr || now != file_id_ || head.generation != generation_;
  if (!replaced) {
    BLKREWIND_ASSIGN(const std::uint64_t size, size_in_blocks());
    if (size == head.end_bytes) return {};
    // An older copy was written over it.
    replaced = size < head.end_bytes;
  }
  BLKREWIND_ASSIGN(auto queue, make_queue());
  if (replaced) return read_all(*queue, head, reader, have_lock_);
  return scan_records(*queue, *file_, mark_, head, foreign_last_, reader.record);
}

Status LocalLog::read_all(io::Queue& queue, Head& head, const Reader& reader, bool have_lock) {
  // The name may be given to another file while it is opened: the opened file is identified only if
  // the name referred to the same file before and after.
  std::unique_ptr<io::File> file;
  BLKREWIND_ASSIGN(host::FileId id, env_.identify(path_));
  for (bool same = false; !same;) {
    BLKREWIND_ASSIGN(file, open_store_file(env_, path_, {}));
    BLKREWIND_ASSIGN(const host::FileId after, env_.identify(path_));
    same = after == id;
    id = after;
  }
  // Every log had at least this length before it was renamed into place.
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size < kLogRecordsOffset) {
    return fail(Errc::kIntegrity,
                "the log " + path_ + " is truncated: it has " + std::to_string(size) + " bytes",
                "bring it back from a backup of the store");
  }
  AlignedBuffer block(kLogBlockBytes);
  BLKREWIND_TRY(io::read_now(queue, *file, {0, kLogBlockBytes}, block.data()));
  auto header = format::decode_log_header(mark_.secret, uuid_, block_of(block));
  if (!header) return fail(std::move(header).error().while_doing("reading the log " + path_));
  if (header->version != mark_.version || header->disk != disk_) {
    return fail(Errc::kIntegrity, "the file " + path_ + " is another log of this store",
                "bring it back from a backup of the store");
  }
  // The tail before the records: it may only be behind the records that are read afterwards.
  BLKREWIND_TRY(io::read_now(queue, *file, {kLogTailOffset, kLogBlockBytes}, block.data()));

  reader.restart();
  Head at;
  at.generation = header->generation;
  at.next_sequence = header->first_sequence;
  at.end_bytes = kLogRecordsOffset;
  std::vector<std::byte> last;
  BLKREWIND_TRY(scan_records(queue, *file, mark_, at, last, reader.record));
  Status whole = check_log_end(queue, *file, mark_, block_of(block), at);
  if (!whole) {
    if (have_lock) return whole;
    // An append in progress can look like damage; while the lock is held no process appends. A
    // shared lock is enough, and can be taken on a read-only store.
    BLKREWIND_ASSIGN(const auto held, lock(io::LockMode::kShared));
    return read_all(queue, head, reader, true);
  }
  tail_lost_ = tail_is_lost(mark_, block_of(block), at);
  file_ = std::move(file);
  reserve_.forget();
  writable_ = false;
  file_id_ = id;
  generation_ = at.generation;
  foreign_last_ = std::move(last);
  head = at;
  return {};
}

Status LocalLog::open_for_writing() {
  if (writable_) return {};
  BLKREWIND_ASSIGN(file_, open_store_file(env_, path_, {.access = io::Access::kReadWrite}));
  writable_ = true;
  return {};
}

Result<std::uint64_t> LocalLog::size_in_blocks() {
  BLKREWIND_ASSIGN(const std::uint64_t size, file_->size_bytes());
  return align_up(size, kLogBlockBytes);
}

// What follows is read by the caller: this only looks whether there is something.
Result<bool> LocalLog::is_current(const Head& head) {
  BLKREWIND_ASSIGN(const host::FileId id, env_.identify(path_));
  if (file_ == nullptr || id != file_id_ || head.generation != generation_) return false;
  BLKREWIND_ASSIGN(const std::uint64_t size, size_in_blocks());
  if (size <= head.end_bytes) return size == head.end_bytes;
  BLKREWIND_ASSIGN(auto queue, make_queue());
  Head now = head;
  std::vector<std::byte> last;
  BLKREWIND_TRY(scan_records(*queue, *file_, mark_, now, last,
                             [](std::span<const std::byte>) { return Status{}; }));
  return now == head;
}

Appended LocalLog::append(const Head& expected, std::uint64_t epoch,
                          std::span<const std::byte> record, const Need& need) {
  const auto held = read_only_store(lock(io::LockMode::kExclusive));
  if (!held) return refused(held.error());
  const auto current = is_current(expected);
  if (!current) return refused(current.error());
  if (!*current) return not_appended(NotAppended::kStale);
  if (epoch < expected.epoch) return not_appended(NotAppended::kFenced);
  auto made = make_queue();
  if (!made) return refused(std::move(made).error());
  io::Queue& queue = **made;
  if (auto durable = make_last_durable(queue, expected); !durable) return durable;
  if (Status open = open_for_writing(); !open) return refused(std::move(open).error());
  const AlignedBuffer bytes = aligned_copy(record);
  const Extent extent{expected.end_bytes, bytes.size()};
  if (Status room = reserve_.ensure(queue, *file_, extent, need); !room) {
    return refused(std::move(room).error());
  }
  Status written = io::write_now(queue, *file_, extent, bytes.data());
  if (written) written = io::flush_now(queue, *file_);
  // Whether the record is on disk can only be determined by reading it back later, and not by a
  // process that would continue as if it were not.
  if (!written) return in_doubt(std::move(written).error());
  Head head = expected;
  head.end_bytes = extent.end();
  head.epoch = epoch;
  ++head.next_sequence;
  ++head.records;
  write_tail(queue, head);
  if (need.room == Room::kFrees) {
    // Refilled where there is space. Where there is none, the next record that frees space may
    // have to do with less.
    (void)reserve_.ensure(queue, *file_, {head.end_bytes, 0}, {Room::kAdds, need.reserve_bytes});
  }
  return head;
}

Appended LocalLog::make_durable(const Head& head, std::uint64_t epoch) {
  if (epoch < head.epoch) return not_appended(NotAppended::kFenced);
  if (foreign_last_.empty()) return head;
  const auto held = lock(io::LockMode::kExclusive);
  if (!held) return refused(held.error());
  const auto current = is_current(head);
  if (!current) return refused(current.error());
  if (!*current) return not_appended(NotAppended::kStale);
  auto queue = make_queue();
  if (!queue) return refused(std::move(queue).error());
  return make_last_durable(**queue, head);
}

Appended LocalLog::make_last_durable(io::Queue& queue, const Head& head) {
  if (foreign_last_.empty()) return head;
  AlignedBuffer block(kLogBlockBytes);
  if (Status read = io::read_now(queue, *file_, {kLogTailOffset, kLogBlockBytes}, block.data());
      !read) {
    return refused(std::move(read).error());
  }
  const auto tail = format::decode_log_tail(mark_.secret, block_of(block));
  if (tail && tail->generation == head.generation && tail->sequence >= head.next_sequence - 1) {
    foreign_last_.clear();
    return head;
  }
  if (Status open = open_for_writing(); !open) return refused(std::move(open).error());
  // Its flush may have failed: only bytes that are written again are certain to be covered by this
  // process's flush. The record is written alone, because a power cut that kept a later record and
  // lost this one would look like damage.
  const AlignedBuffer bytes = aligned_copy(foreign_last_);
  Status durable =
      io::write_now(queue, *file_, {head.end_bytes - bytes.size(), bytes.size()}, bytes.data());
  if (durable) durable = io::flush_now(queue, *file_);
  // Nor is it certain that the process that replaced the file made its name durable.
  if (durable) durable = env_.sync_directory(layout_.log_folder(disk_));
  if (!durable) return in_doubt(std::move(durable).error());
  foreign_last_.clear();
  write_tail(queue, head);
  return head;
}

Status LocalLog::check(const Head& head) {
  if (!tail_lost_) return {};
  // It may have been read while it was written, and may have been written since.
  std::unique_ptr<io::Lock> held;
  if (!have_lock_) {
    BLKREWIND_ASSIGN(held, lock(io::LockMode::kShared));
  }
  BLKREWIND_ASSIGN(auto queue, make_queue());
  AlignedBuffer block(kLogBlockBytes);
  BLKREWIND_TRY(io::read_now(*queue, *file_, {kLogTailOffset, kLogBlockBytes}, block.data()));
  tail_lost_ = tail_is_lost(mark_, block_of(block), head);
  if (!tail_lost_) return {};
  return fail(Errc::kIntegrity,
              "the block of the log " + path_ +
                  " that says how many records there are is damaged; the records can be read",
              Remedy(mark_.version == format::kLogVersion ? Verb::kStoreGc : Verb::kStoreUpgrade,
                     "write it anew")
                  .because("a record that is lost as well would not be missed"));
}

void LocalLog::write_tail(io::Queue& queue, const Head& head) {
  AlignedBuffer block(kLogBlockBytes);
  format::encode_log_tail(mark_.secret, {head.generation, head.next_sequence - 1}, block_of(block));
  // A tail that cannot be written only lags behind; the record it would name is durable already.
  if (io::write_now(queue, *file_, {kLogTailOffset, kLogBlockBytes}, block.data())) {
    tail_lost_ = false;
  }
}

// If deletes that freed nothing have used most of the reserve, the space of the records themselves
// is recovered: a checkpoint is a fraction of their size.
bool LocalLog::is_short_of_room(const Head& head, const Need& need,
                                std::uint64_t checkpoint_bytes) {
  if (file_ == nullptr) return false;
  const auto allocated = file_->allocated_bytes();
  return allocated && *allocated < head.end_bytes + need.reserve_bytes / 2 &&
         head.end_bytes >= checkpoint_bytes + need.reserve_bytes / 4;
}

Appended LocalLog::replace(const Head& expected, std::uint64_t epoch, const Need& need,
                           const std::function<Status(const Sink&)>& write) {
  const auto held = lock(io::LockMode::kExclusive);
  if (!held) return refused(held.error());
  const auto current = is_current(expected);
  if (!current) return refused(current.error());
  if (!*current) return not_appended(NotAppended::kStale);
  if (epoch < expected.epoch) return not_appended(NotAppended::kFenced);
  auto made = make_queue();
  if (!made) return refused(std::move(made).error());
  io::Queue& queue = **made;
  if (auto durable = make_last_durable(queue, expected); !durable) return durable;
  Head from = expected;
  from.epoch = epoch;
  Appended done = replace_locked(queue, from, need, write);
  if (done || done.error().why == NotAppended::kInDoubt || need.room != Room::kFrees) return done;
  // It fits into what was set aside behind the old one, once that is released.
  if (Status open = open_for_writing(); !open) return done;
  reserve_.forget();
  if (file_->truncate(expected.end_bytes)) done = replace_locked(queue, from, need, write);
  if (!done && done.error().why != NotAppended::kInDoubt) {
    (void)reserve_.ensure(queue, *file_, {expected.end_bytes, 0},
                          {Room::kAdds, need.reserve_bytes});
  }
  return done;
}

Result<LocalLog::NewFile> LocalLog::write_new(io::Queue& queue, const std::string& path,
                                              const Head& expected, const Need& need,
                                              const std::function<Status(const Sink&)>& write) {
  NewFile made;
  BLKREWIND_ASSIGN(
      made.file,
      env_.open(path, {.access = io::Access::kReadWrite, .create_new = true, .in_place = true}));
  made.head.generation = expected.generation + 1;
  made.head.next_sequence = expected.next_sequence;
  made.head.epoch = expected.epoch;
  made.head.end_bytes = kLogRecordsOffset;
  const auto sink = [&](std::span<const std::byte> record) -> Status {
    const AlignedBuffer bytes = aligned_copy(record);
    BLKREWIND_TRY(
        io::write_now(queue, *made.file, {made.head.end_bytes, bytes.size()}, bytes.data()));
    made.head.end_bytes += bytes.size();
    ++made.head.next_sequence;
    ++made.head.records;
    return {};
  };
  BLKREWIND_TRY(write(sink));
  // Without a tail, which would claim that the name is durable too.
  AlignedBuffer blocks(kLogRecordsOffset);
  std::memset(blocks.data(), 0, blocks.size());
  format::encode_log_header(mark_.secret,
                            {.store = uuid_,
                             .disk = disk_,
                             .generation = made.head.generation,
                             .first_sequence = expected.next_sequence},
                            block_of(blocks));
  BLKREWIND_TRY(io::write_now(queue, *made.file, {0, blocks.size()}, blocks.data()));
  // The file that it replaces has a reserve: a new one without a reserve would be worse.
  BLKREWIND_TRY(made.reserve.ensure(queue, *made.file, {made.head.end_bytes, 0}, need));
  BLKREWIND_TRY(io::flush_now(queue, *made.file));
  return made;
}

Appended LocalLog::replace_locked(io::Queue& queue, const Head& expected, const Need& need,
                                  const std::function<Status(const Sink&)>& write) {
  const std::string path = LocalLayout::temporary(path_);
  const auto left_over = env_.exists(path);
  if (!left_over) return refused(left_over.error());
  if (*left_over) {
    if (Status removed = env_.remove(path); !removed) return refused(std::move(removed).error());
  }
  auto written = write_new(queue, path, expected, need, write);
  Status named = written ? env_.rename(path, path_) : Status(fail(written.error()));
  if (!named) {
    // It occupies space that other operations may need.
    if (written) written->file.reset();
    (void)env_.remove(path);
    return refused(std::move(named).error());
  }
  // Either file may have the name after a power cut, so neither may be appended to.
  if (Status synced = env_.sync_directory(layout_.log_folder(disk_)); !synced) {
    return in_doubt(std::move(synced).error());
  }
  const auto id = env_.identify(path_);
  if (!id) return in_doubt(id.error());
  file_id_ = *id;
  file_ = std::move(written->file);
  reserve_ = written->reserve;
  writable_ = true;
  generation_ = written->head.generation;
  foreign_last_.clear();
  write_tail(queue, written->head);
  return written->head;
}

}  // namespace blkrewind::store
