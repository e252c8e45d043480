// Makes a store in a folder.
//
//   1. the temporary format file, locked: one process creates the store, others wait
//   2. ROOT/disks, and ROOT/index as an empty log
//   3. the format file, complete and flushed; the names above are durable
//   4. its rename: the folder is a store
//
// After a power cut before 4 there is no store, and the next create() begins again.
#include <span>
#include <utility>

#include "base/aligned_buffer.h"
#include "store/home/local_home.h"
#include "store/home/local_log.h"
#include "store/home/store_file.h"
#include "store/home/store_folder.h"

namespace blkrewind::store {
namespace {

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
  if (size > format::kLogRecordsOffset) return false;
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
  AlignedBuffer bytes(format::kLogRecordsOffset);
  BLKREWIND_TRY(io::read_now(*queue, *file, {0, bytes.size()}, bytes.data()));
  return is_all_zero(bytes.span()) || begins(bytes.span());
}

Result<bool> has_names(io::Env& env, const std::string& folder) {
  BLKREWIND_ASSIGN(const bool there, env.exists(folder));
  if (!there) return false;
  BLKREWIND_ASSIGN(const auto inside, env.list_directory(folder));
  return !inside.empty();
}

Result<bool> has_records(io::Env& env, const std::string& log) {
  auto opened = env.open(log, {});
  if (!opened && opened.error().code == Errc::kNotFound) return false;
  BLKREWIND_ASSIGN(const auto file, std::move(opened));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  return size > format::kLogRecordsOffset;
}

// Whether a folder without a format file contains data of a store that must be kept.
Result<bool> is_used(io::Env& env, const LocalLayout& layout) {
  for (const std::string& folder : {layout.disks(), layout.old_segments()}) {
    BLKREWIND_ASSIGN(const bool used, has_names(env, folder));
    if (used) return true;
  }
  for (const std::string& log : {layout.log(format::kIndexLog), layout.old_journal()}) {
    BLKREWIND_ASSIGN(const bool used, has_records(env, log));
    if (used) return true;
  }
  return false;
}

tl::unexpected<Error> lost_format(const LocalLayout& layout) {
  return fail(Errc::kIntegrity,
              layout.root() + " holds logs or segments of a store, but no format file",
              "bring the file " + layout.format() +
                  " back from a backup: it holds the secret without which nothing can be read");
}

// An interrupted create() leaves an empty index, an empty folder of disks and perhaps a format file
// that was not renamed yet. Only these are removed: a store that has lost its format file still
// contains snapshots, and any other file belongs to another program.
Status clear_unfinished_create(io::Env& env, const LocalLayout& layout, bool remove) {
  BLKREWIND_ASSIGN(const auto names, env.list_directory(layout.root()));
  const auto refuse = [&] {
    return fail(Errc::kInvalidArgument,
                layout.root() + " is neither a store nor an empty directory",
                "name an empty folder, or one that does not exist yet");
  };
  const std::string unnamed = LocalLayout::temporary(layout.format());
  const std::string log = layout.log(format::kIndexLog);
  bool index = false;
  bool format = false;
  for (const std::string& name : names) {
    const std::string path = layout.root() + "/" + name;
    index = index || path == log;
    format = format || path == unnamed;
    const bool old = path == layout.old_journal() || path == layout.old_segments();
    if (path != log && path != unnamed && path != layout.disks() && !old) return refuse();
  }
  BLKREWIND_ASSIGN(const bool used, is_used(env, layout));
  if (used) return lost_format(layout);
  if (index) {
    BLKREWIND_ASSIGN(const bool ours, is_left_over(env, log, format::begins_log));
    if (!ours) return refuse();
  }
  if (format) {
    BLKREWIND_ASSIGN(const bool ours, is_left_over(env, unnamed, format::begins_store_header));
    if (!ours) return refuse();
  }
  return index && remove ? env.remove(log) : Status{};
}

tl::unexpected<Error> already_there(const std::string& path) {
  return fail(Errc::kAlreadyExists, "there is already a store in " + path,
              Remedy("use it").or_else("name another folder"));
}

}  // namespace

Result<bool> LocalHome::exists(io::Env& env, const std::string& path) {
  return env.exists(LocalLayout(path).format());
}

Status LocalHome::create(io::Env& machine, const std::string& path,
                         const format::StoreHeader& header) {
  const LocalLayout layout(path);
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
  const std::string temporary = LocalLayout::temporary(layout.format());
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
  BLKREWIND_ASSIGN(const bool disks, env.exists(layout.disks()));
  if (!disks) BLKREWIND_TRY(env.make_directory(layout.disks()));
  BLKREWIND_TRY(LocalLog::create(env, layout, format::kIndexLog, {header.uuid, header.secret}));
  BLKREWIND_TRY(write_format_file(env, layout, header));
  BLKREWIND_TRY(env.sync_directory(path));
  BLKREWIND_TRY(env.rename(temporary, layout.format()));
  return env.sync_directory(path);
}

Result<std::unique_ptr<LocalHome>> LocalHome::open(io::Env& machine, const std::string& path) {
  LocalLayout layout(path);
  auto beneath = machine.beneath(path);
  if (!beneath) return fail(explain_opening(machine, path, std::move(beneath).error()));
  io::Env& env = *beneath ? **beneath : machine;
  BLKREWIND_ASSIGN(const bool there, env.exists(layout.format()));
  if (!there) {
    if (const auto used = is_used(env, layout); used && *used) return lost_format(layout);
    return fail(Errc::kNotFound, "there is no store in " + path, name_a_store());
  }
  return std::make_unique<LocalHome>(machine, std::move(*beneath), std::move(layout));
}

}  // namespace blkrewind::store
