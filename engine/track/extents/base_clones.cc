#include "track/extents/base_clones.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "host/sysfs.h"
#include "track/extents/clone_file.h"

namespace blkrewind::track {
namespace {

std::string suffix_of(const std::string& disk_id) { return ".blkrewind-" + disk_id + "."; }

// N of a name; empty: not a clone of the disk.
std::optional<std::uint64_t> number_of(const std::string& name, const std::string& disk_id) {
  const std::string suffix = suffix_of(disk_id);
  const std::size_t at = name.rfind(suffix);
  if (at == std::string::npos || !name.starts_with('.')) return std::nullopt;
  const char* begin = name.data() + at + suffix.size();
  const char* end = name.data() + name.size();
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::string name_of(const std::string& image, const std::string& disk_id, std::uint64_t number) {
  const std::string tail = suffix_of(disk_id) + std::to_string(number);
  return "." + image.substr(0, NAME_MAX - 1 - std::min<std::size_t>(tail.size(), NAME_MAX - 1)) +
         tail;
}

std::int64_t modified_ns(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

// Why the file is not valid; empty: it is valid.
std::string fault_of(const BaseClone& file, const TrackedImage& image) {
  struct stat status = {};
  if (!file.fd.valid() || ::fstat(file.fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return "another file has the name of the clone beside the image";
  }
  if (!file.record) return "the clone beside the image has no record";
  const auto immutable = is_immutable(file.fd.get());
  if (!immutable || !*immutable) {
    return "the clone beside the image is not immutable, so it may have been changed";
  }
  const CloneRecord& record = *file.record;
  if (status.st_ino != record.inode || status.st_nlink != 1 || status.st_uid != ::geteuid() ||
      modified_ns(status) != record.modified_ns) {
    return "the clone beside the image was changed or replaced";
  }
  if (record.image_inode != image.inode || record.image_generation != image.generation) {
    return "the image file was replaced by another one";
  }
  if (record.range != image.range) {
    return "the disk has another offset in the image file, or another size, than at its snapshot";
  }
  if (record.base.empty()) {
    return record.why.empty() ? "the next snapshot or rollback reads everything once" : record.why;
  }
  if (static_cast<std::uint64_t>(status.st_size) < image.range.end()) {
    return "the clone beside the image is shorter than the disk";
  }
  return {};
}

}  // namespace

std::vector<std::string> BaseClones::names() const {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  // Relative to the open directory, whatever its path refers to now.
  const std::string directory = "/proc/self/fd/" + std::to_string(image_.directory.get());
  for (const std::string& name : host::list_names(directory)) {
    if (name == image_.name) continue;  // whatever its name, it is not blkrewind's to remove
    if (const auto number = number_of(name, disk_.disk_id)) found.emplace_back(*number, name);
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [number, name] : found) names.push_back(std::move(name));
  return names;
}

BaseClone BaseClones::examine(const std::string& name) const {
  BaseClone file;
  file.name = name;
  file.fd.reset(::openat(image_.directory.get(), name.c_str(),
                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.fd.valid()) {
    const auto text = read_xattr(file.fd.get(), kRecordAttribute);
    if (text) file.record = decode_record(*text);
    if (file.record && file.record->disk_id != disk_.disk_id) file.record.reset();
  }
  file.fault = fault_of(file, image_);
  return file;
}

Result<std::vector<BaseClone>> BaseClones::list() const {
  std::vector<BaseClone> files;
  for (const std::string& name : names()) {
    BaseClone file = examine(name);
    if (file.record && file.record->store_uuid != disk_.store_uuid) continue;
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::string> BaseClones::finish(int fd, CloneRecord record) const {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return fail(Errc::kInternal, "a clone without a descriptor");
  record.store_uuid = disk_.store_uuid;
  record.disk_id = disk_.disk_id;
  record.image_inode = image_.inode;
  record.image_generation = image_.generation;
  record.range = image_.range;
  record.inode = status.st_ino;
  record.modified_ns = modified_ns(status);
  BLKREWIND_TRY(write_xattr(fd, kRecordAttribute, encode(record)));
  // Its content is durable before another process can find it.
  BLKREWIND_TRY(sync(fd, "a clone of " + image_.path));

  std::uint64_t number = 1;
  for (const std::string& taken : names()) {
    number = std::max(number, *number_of(taken, disk_.disk_id) + 1);
  }
  const std::string name = name_of(image_.name, disk_.disk_id, number);
  BLKREWIND_TRY(give_name(fd, image_.directory.get(), name));
  const auto protect = [&]() -> Status {
    BLKREWIND_TRY(set_immutable(fd, true));
    BLKREWIND_TRY(sync(fd, "a clone of " + image_.path));
    return sync(image_.directory.get(), "the directory of " + image_.path);
  };
  if (Status protected_now = protect(); !protected_now) {
    static_cast<void>(remove_immutable(image_.directory.get(), name));
    return tl::unexpected(std::move(protected_now).error());
  }
  return name;
}

Result<std::string> BaseClones::keep(int fd, const std::string& base, TrackUse use) const {
  CloneRecord record;
  record.base = base;
  record.of_writing = use == TrackUse::kWrite;
  return finish(fd, std::move(record));
}

Status BaseClones::forget_all(const std::string& why) const {
  std::string kept;
  const auto mark = [&]() -> Status {
    BLKREWIND_ASSIGN(const UniqueFd empty, make_unnamed(image_.directory.get(), -1));
    CloneRecord record;
    record.why = why;
    BLKREWIND_ASSIGN(kept, finish(empty.get(), std::move(record)));
    return {};
  };
  // An invalid clone is removed even if the disk is no longer tracked without it.
  Status marked = mark();
  BLKREWIND_TRY(remove_others(kept));
  return marked;
}

Status BaseClones::remove_others(const std::string& name) const {
  BLKREWIND_ASSIGN(const std::vector<BaseClone> files, list());
  Status first;
  for (const BaseClone& file : files) {
    if (file.name == name) continue;
    Status removed = remove_immutable(image_.directory.get(), file.name);
    if (!removed && first) first = std::move(removed);
  }
  BLKREWIND_TRY(std::move(first));
  return sync(image_.directory.get(), "the directory of " + image_.path);
}

}  // namespace blkrewind::track
