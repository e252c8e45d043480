#include "store/store.h"

#include <sys/random.h>

#include <cerrno>
#include <charconv>
#include <ctime>
#include <span>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/log.h"
#include "store/read_only_store.h"
#include "store/store_file.h"
#include "store/store_folder.h"

namespace blkrewind::store {
namespace {

Status fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, "cannot read random bytes for the digest secret"));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

std::span<std::byte, format::kStoreHeaderBytes> header_span(AlignedBuffer& buffer) {
  return std::span<std::byte, format::kStoreHeaderBytes>(buffer.data(), buffer.size());
}

// Flushes the names in the directory that contains `path`.
Status sync_parent(io::Env& env, const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return env.sync_directory(".");
  return env.sync_directory(slash == 0 ? "/" : path.substr(0, slash));
}

// What an interrupted create() may have left of a file: nothing, zeroes, or its beginning. A file
// of that name with other content belongs to another program.
Result<bool> is_left_over(io::Env& env, const std::string& path,
                          bool (*begins)(std::span<const std::byte>)) {
  auto opened = env.open(path, {});
  // A concurrent create() has renamed or removed it.
  if (!opened && opened.error().code == Errc::kNotFound) return true;
  BLKREWIND_ASSIGN(const auto file, std::move(opened));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size == 0) return true;
  if (size > format::kJournalRecordsOffset) return false;
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 4}));
  AlignedBuffer bytes(format::kJournalRecordsOffset);
  BLKREWIND_TRY(io::read_now(*queue, *file, {0, bytes.size()}, bytes.data()));
  return is_all_zero(bytes.span()) || begins(bytes.span());
}

// Whether a store directory without a format file contains data that must be kept.
Result<bool> is_used(io::Env& env, const Layout& layout) {
  BLKREWIND_ASSIGN(const bool segments, env.exists(layout.segments()));
  if (segments) {
    BLKREWIND_ASSIGN(const auto inside, env.list_directory(layout.segments()));
    if (!inside.empty()) return true;
  }
  auto journal = env.open(layout.journal(), {});
  if (!journal && journal.error().code == Errc::kNotFound) return false;
  BLKREWIND_ASSIGN(const auto file, std::move(journal));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  return size > format::kJournalRecordsOffset;
}

tl::unexpected<Error> lost_format(const Layout& layout) {
  return fail(Errc::kIntegrity,
              layout.root() + " holds a journal or segments of a store, but no format file",
              "bring the file " + layout.format() +
                  " back from a backup: it holds the secret without which nothing can be read");
}

// An interrupted create() leaves an empty journal, an empty segments directory and perhaps a format
// file that was not renamed yet. Only these are removed: a store that has lost its format file
// still contains snapshots, and any other file belongs to another program.
Status clear_unfinished_create(io::Env& env, const Layout& layout, bool remove) {
  BLKREWIND_ASSIGN(const auto names, env.list_directory(layout.root()));
  const auto refuse = [&] {
    return fail(Errc::kInvalidArgument,
                layout.root() + " is neither a store nor an empty directory",
                "name an empty folder, or one that does not exist yet");
  };
  const std::string unnamed = Layout::temporary(layout.format());
  bool journal = false;
  bool format = false;
  for (const std::string& name : names) {
    const std::string path = layout.root() + "/" + name;
    journal = journal || path == layout.journal();
    format = format || path == unnamed;
    if (path != layout.journal() && path != unnamed && path != layout.segments()) return refuse();
  }
  BLKREWIND_ASSIGN(const bool used, is_used(env, layout));
  if (used) return lost_format(layout);
  if (journal) {
    BLKREWIND_ASSIGN(const bool ours, is_left_over(env, layout.journal(), format::begins_journal));
    if (!ours) return refuse();
  }
  if (format) {
    BLKREWIND_ASSIGN(const bool ours, is_left_over(env, unnamed, format::begins_store_header));
    if (!ours) return refuse();
  }
  return journal && remove ? env.remove(layout.journal()) : Status{};
}

tl::unexpected<Error> already_there(const std::string& path) {
  return fail(Errc::kAlreadyExists, "there is already a store in " + path,
              Remedy("use it").or_else("name another folder"));
}

Error&& name_store(Error&& error, const std::string& path) {
  return std::move(error).while_doing("opening the store " + path);
}

}  // namespace

Result<bool> Store::exists(io::Env& env, const std::string& path) {
  return env.exists(Layout(path).format());
}

Status Store::create(io::Env& machine, const std::string& path) {
  const Layout layout(path);
  BLKREWIND_ASSIGN(const bool folder, machine.exists(path));
  if (!folder) {
    const Status made = machine.make_directory(path);
    if (!made && made.error().code != Errc::kAlreadyExists) {
      return fail(explain_folder(machine, path, made.error()));
    }
    BLKREWIND_TRY(sync_parent(machine, path));
  }
  const auto beneath = machine.beneath(path);
  if (!beneath) return fail(explain_folder(machine, path, beneath.error()));
  io::Env& env = *beneath ? **beneath : machine;
  // The process that holds the temporary format file creates the store; others wait, and find it
  // created.
  const std::string temporary = Layout::temporary(layout.format());
  std::unique_ptr<io::Lock> alone;
  while (alone == nullptr) {
    BLKREWIND_ASSIGN(const bool store, env.exists(layout.format()));
    if (store) return already_there(path);
    if (Status free = clear_unfinished_create(env, layout, false); !free) {
      BLKREWIND_ASSIGN(const bool made, env.exists(layout.format()));
      return made ? already_there(path) : fail(explain_folder(env, path, std::move(free).error()));
    }
    auto opened = env.open(temporary, {.access = io::Access::kReadWrite, .create_new = true});
    if (!opened && opened.error().code != Errc::kAlreadyExists) {
      return fail(explain_folder(env, path, opened.error()));
    }
    auto locked = env.lock(temporary, 0, io::LockMode::kExclusive);
    if (!locked && locked.error().code == Errc::kNotFound) continue;  // it has been renamed
    if (!locked) return fail(std::move(locked).error());
    alone = std::move(*locked);
  }
  BLKREWIND_ASSIGN(const bool store, env.exists(layout.format()));
  if (store) return already_there(path);
  BLKREWIND_TRY(clear_unfinished_create(env, layout, true));
  BLKREWIND_ASSIGN(const bool segments, env.exists(layout.segments()));
  if (!segments) BLKREWIND_TRY(env.make_directory(layout.segments()));

  format::StoreHeader header;
  header.created_at = std::time(nullptr);
  BLKREWIND_TRY(fill_random(header.uuid));
  // RFC 4122, version 4.
  header.uuid[6] = (header.uuid[6] & std::byte{0x0f}) | std::byte{0x40};
  header.uuid[8] = (header.uuid[8] & std::byte{0x3f}) | std::byte{0x80};
  BLKREWIND_TRY(fill_random(header.secret));
  BLKREWIND_TRY(Journal::create(env, layout, header));

  // The format file makes the directory a store, so it is renamed last, when it is complete.
  {
    BLKREWIND_ASSIGN(auto file, env.open(temporary, {.access = io::Access::kReadWrite}));
    BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 4}));
    AlignedBuffer block(format::kStoreHeaderBytes);
    format::encode_store_header(header, header_span(block));
    BLKREWIND_TRY(io::write_now(*queue, *file, {0, block.size()}, block.data()));
    BLKREWIND_TRY(io::flush_now(*queue, *file));
  }
  BLKREWIND_TRY(env.sync_directory(path));
  BLKREWIND_TRY(env.rename(temporary, layout.format()));
  return env.sync_directory(path);
}

Result<std::unique_ptr<Store>> Store::open(io::Env& machine, const std::string& path) {
  Layout layout(path);
  auto beneath = machine.beneath(path);
  if (!beneath) return fail(explain_opening(machine, path, std::move(beneath).error()));
  io::Env& env = *beneath ? **beneath : machine;
  BLKREWIND_ASSIGN(const bool there, env.exists(layout.format()));
  if (!there) {
    if (const auto used = is_used(env, layout); used && *used) return lost_format(layout);
    return fail(Errc::kNotFound, "there is no store in " + path, name_a_store());
  }
  // Listing the directory checks it: later a refusal could be taken for missing segments.
  BLKREWIND_TRY(env.exists(layout.segment(1)));
  BLKREWIND_ASSIGN(auto file, open_store_file(env, layout.format(), {}));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size != format::kStoreHeaderBytes) {
    return fail(Errc::kIntegrity,
                layout.format() + " is not a blkrewind format file: it has " +
                    std::to_string(size) + " bytes instead of " +
                    std::to_string(format::kStoreHeaderBytes),
                "bring the file back from a backup, or name the folder of a store");
  }
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 4}));
  AlignedBuffer block(format::kStoreHeaderBytes);
  BLKREWIND_TRY(io::read_now(*queue, *file, {0, block.size()}, block.data()));
  auto header = format::decode_store_header(header_span(block));
  if (!header) return fail(name_store(std::move(header).error(), path));
  auto store = std::make_unique<Store>(machine, std::move(*beneath), std::move(layout), *header);
  if (auto replayed = store->journal_.refresh(); !replayed) {
    Error error = std::move(replayed).error();
    if (error.code == Errc::kNotFound) {
      error.code = Errc::kIntegrity;
      error.remedy = "bring STORE/journal back from a backup";
    }
    return fail(name_store(std::move(error), path));
  }
  return store;
}

Store::Store(io::Env& env, std::unique_ptr<io::Env> folder, Layout layout,
             const format::StoreHeader& header)
    : folder_(std::move(folder)),
      env_(folder_ ? *folder_ : env),
      layout_(std::move(layout)),
      header_(header),
      journal_(env_, layout_, header),
      files_(env_, layout_, header) {}

Status Store::check_writable() const {
  if ((header_.read_only_compatible & ~format::kKnownReadOnlyCompatible) == 0) return {};
  return fail(
      Errc::kUnsupported,
      "the store " + layout_.root() + " uses features that this program can read but not write",
      "use a newer blkrewind for this store");
}

bool Store::may_only_be_read(const Error& error) {
  return error.code == Errc::kUnsupported || error.sys_errno == EROFS ||
         error.sys_errno == EACCES || error.sys_errno == EPERM;
}

Result<std::unique_ptr<io::Lock>> Store::lock_disk(format::DiskNumber disk) {
  BLKREWIND_TRY(check_writable());
  return lock_disk_in(disk, io::LockMode::kExclusive);
}

Result<std::unique_ptr<io::Lock>> Store::lock_disk_shared(format::DiskNumber disk) {
  return lock_disk_in(disk, io::LockMode::kShared);
}

Result<std::unique_ptr<io::Lock>> Store::lock_disk_in(format::DiskNumber disk, io::LockMode mode) {
  BLKREWIND_ASSIGN(auto lock,
                   read_only_store(env_.try_lock(layout_.format(), Layout::disk_lock(disk), mode)));
  if (lock == nullptr) {
    const auto known = state();
    const auto* record = known->disk(disk);
    const std::string name =
        record != nullptr ? record->id + " (" + record->path + ")" : std::to_string(disk);
    return fail(Errc::kBusy, "another operation on disk " + name + " is running",
                "wait until it has finished, then try again");
  }
  return lock;
}

Result<bool> Store::disk_is_locked(format::DiskNumber disk) {
  return env_.is_locked(layout_.format(), Layout::disk_lock(disk));
}

Result<std::unique_ptr<SegmentWriter>> Store::make_writer() {
  BLKREWIND_TRY(check_writable());
  BLKREWIND_ASSIGN(auto writers,
                   env_.lock(layout_.format(), Layout::kWritersLock, io::LockMode::kShared));
  return std::make_unique<SegmentWriter>(env_, layout_, header_, std::move(writers),
                                         state()->counters.next_segment);
}

Result<Store::Orphans> Store::remove_orphans() {
  BLKREWIND_TRY(check_writable());
  Orphans orphans;
  BLKREWIND_ASSIGN(const auto alone,
                   read_only_store(env_.try_lock(layout_.format(), Layout::kWritersLock,
                                                 io::LockMode::kExclusive)));
  if (alone == nullptr) return orphans;
  // No process creates segments now, so every valid segment is in the journal.
  BLKREWIND_TRY(journal_.make_last_record_durable());
  BLKREWIND_ASSIGN(auto queue, env_.make_queue({.depth = 4}));
  const auto known = state();
  BLKREWIND_ASSIGN(const auto names, env_.list_directory(layout_.segments()));
  for (const std::string& name : names) {
    format::SegmentId id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    const bool is_number = error == std::errc{} && end == name.data() + name.size();
    if (!is_number || known->segments.contains(id)) continue;
    // A segment that a delete has just removed from the journal is removed by that delete, maybe
    // first.
    auto opened = open_store_file(env_, layout_.segment(id), {});
    if (!opened && opened.error().code == Errc::kNotFound) continue;
    BLKREWIND_ASSIGN(const auto file, std::move(opened));
    BLKREWIND_ASSIGN(const bool ours, files_.is_left_over(id, *file, *queue));
    if (!ours) {
      log::warning(layout_.segment(id) + " is not a segment of this store; it is left alone");
      continue;
    }
    BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
    const Status removed = env_.remove(layout_.segment(id));
    if (!removed && removed.error().code == Errc::kNotFound) continue;
    BLKREWIND_TRY(removed);
    orphans.bytes += size;
    ++orphans.files;
  }
  return orphans;
}

Result<StoreInfo> Store::info() {
  BLKREWIND_TRY(journal_.refresh());
  const auto known = state();
  StoreInfo info;
  info.path = layout_.root();
  info.uuid = format::to_string(header_.uuid);
  info.format_version = header_.version;
  info.disks = known->disks.size();
  for (const auto& [number, snapshot] : known->snapshots) {
    if (snapshot.state == format::SnapshotState::kAccomplished) ++info.snapshots;
  }
  info.segments = known->segments.size();
  for (const auto& [id, live_bytes] : known->segments) info.live_bytes += live_bytes;
  BLKREWIND_ASSIGN(info.journal_bytes, journal_.size_bytes());
  BLKREWIND_ASSIGN(const auto names, env_.list_directory(layout_.segments()));
  for (const std::string& name : names) {
    auto allocated = env_.allocated_bytes(layout_.segments() + "/" + name);
    // A segment that was removed meanwhile counts as empty.
    if (allocated) info.allocated_bytes += *allocated;
  }
  return info;
}

Tree tree_of(const format::SnapshotRecord& snapshot) {
  return {{snapshot.device_bytes, snapshot.chunk_bytes}, snapshot.root};
}

}  // namespace blkrewind::store
