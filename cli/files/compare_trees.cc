#include "cli/files/compare_trees.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "cli/files/file_map.h"
#include "cli/look/folder_chain.h"
#include "cli/output.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {
namespace {

tl::unexpected<Error> cannot_read(const std::string& path) {
  return fail(system_error(errno, "cannot read " + printable(path)));
}

FileKind kind_of(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return FileKind::kFile;
  if (S_ISDIR(status.st_mode)) return FileKind::kDirectory;
  if (S_ISLNK(status.st_mode)) return FileKind::kLink;
  return FileKind::kOther;
}

bool same_time(const timespec& one, const timespec& other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

// A name in a folder of one tree; or its absence.
struct Found {
  int folder = -1;
  const std::string* name = nullptr;  // null: it is not there
  struct stat status {};

  [[nodiscard]] bool there() const { return name != nullptr; }
  [[nodiscard]] FileKind kind() const { return there() ? kind_of(status) : FileKind::kNone; }
  [[nodiscard]] std::uint64_t size() const {
    return kind() == FileKind::kFile ? static_cast<std::uint64_t>(status.st_size) : 0;
  }
};

Result<OwnedFd> open_in(const Found& found, int flags, const std::string& path) {
  OwnedFd opened(
      ::openat(found.folder, found.name->c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_RDONLY));
  if (opened.get() < 0) return cannot_read(path);
  return opened;
}

Result<std::vector<std::string>> sorted_names_in(int folder, const std::string& path) {
  std::vector<std::string> names;
  errno = names_in(folder, names);
  if (errno != 0) return cannot_read(path);
  std::ranges::sort(names);
  return names;
}

// The extended attributes of an open file: name -> value.
using Attributes = std::map<std::string, std::string>;
std::optional<Attributes> attributes_of(int fd) {
  const ssize_t length = ::flistxattr(fd, nullptr, 0);
  if (length <= 0)
    return length == 0 || errno == ENOTSUP ? std::optional(Attributes{}) : std::nullopt;
  std::string names(static_cast<std::size_t>(length), '\0');
  const ssize_t got = ::flistxattr(fd, names.data(), names.size());
  if (got < 0) return std::nullopt;
  names.resize(static_cast<std::size_t>(got));
  Attributes attributes;
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    const ssize_t size = ::fgetxattr(fd, name.c_str(), nullptr, 0);
    if (size < 0) return std::nullopt;
    std::string value(static_cast<std::size_t>(size), '\0');
    const ssize_t read = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
    if (read < 0) return std::nullopt;
    value.resize(static_cast<std::size_t>(read));
    attributes.emplace(name, std::move(value));
  }
  return attributes;
}

class Comparison {
 public:
  Comparison(const MountedTree& before, const MountedTree& after, const ChangedExtents& changed,
             const VisitFile& visit, const std::atomic<bool>* cancel)
      : before_(before), after_(after), changed_(changed), visit_(visit), cancel_(cancel) {}

  // The top folder is named ".".
  Result<ComparedFiles> run() {
    const std::string top = kTop;
    BLKREWIND_ASSIGN(const Found was, look(before_.root, top, top));
    BLKREWIND_ASSIGN(const Found is, look(after_.root, top, top));
    BLKREWIND_TRY(compare(was, is, top));
    std::string path = top;
    while (!pairs_.empty()) {
      path.resize(pairs_.back().path_length);
      BLKREWIND_TRY(compare_next(path));
    }
    return compared_;
  }

 private:
  static constexpr const char* kTop = ".";

  // Two folders of one path, and how far their names have been compared.
  struct Pair {
    std::vector<std::string> old_names;  // ascending
    std::vector<std::string> new_names;
    std::size_t old_at = 0;
    std::size_t new_at = 0;
    bool has_old = false;  // there is such a folder on that side
    bool has_new = false;
    std::size_t path_length = 0;  // 0: the top folders

    [[nodiscard]] bool ended() const {
      return old_at == old_names.size() && new_at == new_names.size();
    }
  };

  // `path`: of the innermost pair of folders; afterwards of what was compared.
  Status compare_next(std::string& path) {
    Pair& here = pairs_.back();
    if (here.ended()) return leave(path);
    const std::string* const old_name =
        here.old_at < here.old_names.size() ? &here.old_names[here.old_at] : nullptr;
    const std::string* const new_name =
        here.new_at < here.new_names.size() ? &here.new_names[here.new_at] : nullptr;
    const bool from_old = new_name == nullptr || (old_name != nullptr && *old_name <= *new_name);
    const bool from_new = old_name == nullptr || (new_name != nullptr && *new_name <= *old_name);
    const std::string name = from_old ? *old_name : *new_name;
    path = path.empty() ? name : path + "/" + name;
    Found was;
    Found is;
    if (from_old) {
      ++here.old_at;
      BLKREWIND_ASSIGN(was, look(old_folders_.descriptor(), name, path));
    }
    if (from_new) {
      ++here.new_at;
      BLKREWIND_ASSIGN(is, look(new_folders_.descriptor(), name, path));
    }
    return compare(was, is, path);
  }

  Status enter(OwnedFd old_folder, OwnedFd new_folder, const std::string& path) {
    Pair pair;
    pair.path_length = path == kTop ? 0 : path.size();
    if (old_folder.valid()) {
      pair.has_old = true;
      BLKREWIND_ASSIGN(pair.old_names, sorted_names_in(old_folder.get(), path));
      BLKREWIND_TRY(old_folders_.enter(std::move(old_folder)));
    }
    if (new_folder.valid()) {
      pair.has_new = true;
      BLKREWIND_ASSIGN(pair.new_names, sorted_names_in(new_folder.get(), path));
      BLKREWIND_TRY(new_folders_.enter(std::move(new_folder)));
    }
    pairs_.push_back(std::move(pair));
    return {};
  }

  Status leave(const std::string& path) {
    const Pair& ended = pairs_.back();
    for (FolderChain* chain :
         {ended.has_old ? &old_folders_ : nullptr, ended.has_new ? &new_folders_ : nullptr}) {
      if (chain == nullptr) continue;
      auto left = chain->leave();
      if (!left)
        return fail(std::move(left).error().while_doing("reading " +
                                                        printable(path.empty() ? kTop : path)));
    }
    pairs_.pop_back();
    return {};
  }

  static Result<Found> look(int folder, const std::string& name, const std::string& path) {
    Found found{.folder = folder, .name = &name};
    if (::fstatat(folder, name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW) != 0) {
      return cannot_read(path);
    }
    return found;
  }

  [[nodiscard]] Status check_cancel() const {
    if (cancel_ == nullptr || !*cancel_) return {};
    return fail(Errc::kCancelled, "cancelled");
  }

  Status compare(const Found& was, const Found& is, const std::string& path) {
    BLKREWIND_TRY(check_cancel());
    ++compared_.files;
    FileDifference difference;
    difference.path = path;
    difference.before = was.kind();
    difference.after = is.kind();
    difference.size_before = was.size();
    difference.size_after = is.size();
    if (was.kind() == is.kind()) {
      BLKREWIND_ASSIGN(difference.content, differs(was, is, path));
      BLKREWIND_ASSIGN(difference.attributes, attributes_differ(was, is, path));
    }
    if (was.kind() != is.kind() || difference.content || difference.attributes) {
      ++compared_.differing;
      BLKREWIND_TRY(visit_(difference));
    }
    OwnedFd old_folder;
    OwnedFd new_folder;
    if (was.kind() == FileKind::kDirectory) {
      BLKREWIND_ASSIGN(old_folder, open_in(was, O_DIRECTORY, path));
    }
    if (is.kind() == FileKind::kDirectory) {
      BLKREWIND_ASSIGN(new_folder, open_in(is, O_DIRECTORY, path));
    }
    if (!old_folder.valid() && !new_folder.valid()) return {};
    return enter(std::move(old_folder), std::move(new_folder), path);
  }

  Result<bool> differs(const Found& was, const Found& is, const std::string& path) {
    switch (is.kind()) {
      case FileKind::kFile:
        return files_differ(was, is, path);
      case FileKind::kLink: {
        BLKREWIND_ASSIGN(const std::string old_target, target_of(was, path));
        BLKREWIND_ASSIGN(const std::string new_target, target_of(is, path));
        return old_target != new_target;
      }
      case FileKind::kOther:
        return (was.status.st_mode & S_IFMT) != (is.status.st_mode & S_IFMT) ||
               was.status.st_rdev != is.status.st_rdev;
      default:
        return false;
    }
  }

  static Result<std::string> target_of(const Found& found, const std::string& path) {
    std::array<char, 4097> target{};
    const ssize_t got =
        ::readlinkat(found.folder, found.name->c_str(), target.data(), target.size());
    if (got < 0) return cannot_read(path);
    return std::string(target.data(), static_cast<std::size_t>(got));
  }

  Result<bool> files_differ(const Found& was, const Found& is, const std::string& path) {
    if (was.size() != is.size()) return true;
    if (is.size() == 0) return false;
    BLKREWIND_ASSIGN(const OwnedFd old_file, open_in(was, O_NONBLOCK, path));
    BLKREWIND_ASSIGN(const OwnedFd new_file, open_in(is, O_NONBLOCK, path));
    const auto old_map = map_of(old_file.get(), was.status);
    const auto new_map = map_of(new_file.get(), is.status);
    if (!old_map || !new_map) {
      return bytes_differ(old_file.get(), new_file.get(), {0, is.size()}, path);
    }
    const bool untouched =
        was.status.st_ino == is.status.st_ino && same_time(was.status.st_ctim, is.status.st_ctim);
    for (const Extent& range : suspicious(*old_map, *new_map, untouched, is.size())) {
      BLKREWIND_ASSIGN(const bool differ,
                       bytes_differ(old_file.get(), new_file.get(), range, path));
      if (differ) return true;
    }
    return false;
  }

  // The ranges of a file in which its bytes may differ: of those that both have at the same place,
  // the ones that may have changed there; and all that only one has there. Merged.
  [[nodiscard]] std::vector<Extent> suspicious(const FileMap& was, const FileMap& is,
                                               bool untouched, std::uint64_t size) const {
    std::vector<Extent> ranges;
    const auto add = [&](const MappedRange& range) {
      if (range.file.offset >= size) return;
      ranges.push_back({range.file.offset, std::min(range.file.end(), size) - range.file.offset});
    };
    auto old_range = was.begin();
    for (const MappedRange& range : is) {
      for (; old_range != was.end() && old_range->file.offset < range.file.offset; ++old_range) {
        add(*old_range);
      }
      const bool same = old_range != was.end() && *old_range == range;
      if (same) ++old_range;
      if (!same || may_differ(range, untouched)) add(range);
    }
    std::for_each(old_range, was.end(), add);
    std::ranges::sort(ranges, {}, &Extent::offset);
    std::vector<Extent> merged;
    for (const Extent& range : ranges) {
      if (!merged.empty() && range.offset <= merged.back().end()) {
        const std::uint64_t end = std::max(merged.back().end(), range.end());
        merged.back().length = end - merged.back().offset;
      } else {
        merged.push_back(range);
      }
    }
    return merged;
  }

  [[nodiscard]] bool may_differ(const MappedRange& range, bool untouched) const {
    if (!range.device_offset) return true;
    if (!after_.tells_device_offsets) return !untouched;
    return changed_.touch({after_.device_offset + *range.device_offset, range.file.length});
  }

  Result<bool> bytes_differ(int old_file, int new_file, const Extent& range,
                            const std::string& path) {
    if (buffers_.empty()) buffers_.resize(2 * kPieceBytes);
    for (std::uint64_t at = range.offset; at < range.end();) {
      BLKREWIND_TRY(check_cancel());
      // Where neither has data both are zero: a file may be much larger than its content.
      const std::uint64_t data = std::min(next_data(old_file, at), next_data(new_file, at));
      if (data > at) {
        at = data;
        continue;
      }
      const std::size_t piece = std::min<std::uint64_t>(kPieceBytes, range.end() - at);
      std::byte* const old_bytes = buffers_.data();
      std::byte* const new_bytes = buffers_.data() + kPieceBytes;
      if (!read_whole(old_file, old_bytes, piece, at) ||
          !read_whole(new_file, new_bytes, piece, at)) {
        return cannot_read(path);
      }
      compared_.read_bytes += piece;
      if (std::memcmp(old_bytes, new_bytes, piece) != 0) return true;
      at += piece;
    }
    return false;
  }

  // The first byte at or behind `offset` that may be other than zero.
  static std::uint64_t next_data(int fd, std::uint64_t offset) {
    const off_t found = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (found >= 0) return static_cast<std::uint64_t>(found);
    // Behind the last data; or the file system cannot tell.
    return errno == ENXIO ? std::numeric_limits<std::uint64_t>::max() : offset;
  }

  static bool read_whole(int fd, std::byte* into, std::size_t length, std::uint64_t offset) {
    for (std::size_t got = 0; got < length;) {
      const ssize_t more = ::pread(fd, into + got, length - got, static_cast<off_t>(offset + got));
      if (more < 0 && errno == EINTR) continue;
      if (more == 0) errno = EIO;  // it ends before its size
      if (more <= 0) return false;
      got += static_cast<std::size_t>(more);
    }
    return true;
  }

  Result<bool> attributes_differ(const Found& was, const Found& is, const std::string& path) {
    const struct stat& one = was.status;
    const struct stat& other = is.status;
    if (one.st_mode != other.st_mode || one.st_uid != other.st_uid || one.st_gid != other.st_gid ||
        !same_time(one.st_mtim, other.st_mtim)) {
      return true;
    }
    // Changing one changes this time, which no program can set.
    if (one.st_ino == other.st_ino && same_time(one.st_ctim, other.st_ctim)) return false;
    if (is.kind() != FileKind::kFile && is.kind() != FileKind::kDirectory) return false;
    BLKREWIND_ASSIGN(const OwnedFd old_file, open_in(was, O_NONBLOCK, path));
    BLKREWIND_ASSIGN(const OwnedFd new_file, open_in(is, O_NONBLOCK, path));
    const auto old_attributes = attributes_of(old_file.get());
    const auto new_attributes = attributes_of(new_file.get());
    if (!old_attributes || !new_attributes) return cannot_read(path);
    return *old_attributes != *new_attributes;
  }

  static constexpr std::size_t kPieceBytes = 1 * kMiB;

  const MountedTree& before_;
  const MountedTree& after_;
  const ChangedExtents& changed_;
  const VisitFile& visit_;
  const std::atomic<bool>* const cancel_;
  ComparedFiles compared_;
  std::vector<Pair> pairs_;  // from the top folders to where the walk is
  FolderChain old_folders_;
  FolderChain new_folders_;
  std::vector<std::byte> buffers_;
};

}  // namespace

Result<ComparedFiles> compare_trees(const MountedTree& before, const MountedTree& after,
                                    const ChangedExtents& changed, const VisitFile& visit,
                                    const std::atomic<bool>* cancel) {
  return Comparison(before, after, changed, visit, cancel).run();
}

}  // namespace blkrewind::cli
