#include "cli/look/copy_out.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "blkrewind/engine.h"
#include "cli/look/folder_chain.h"
#include "cli/look/partial_file.h"
#include "cli/look/path_error.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {
namespace {

std::string joined(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

constexpr std::size_t kPieceBytes = 1 * kMiB;

// As if `root` were "/": neither ".." nor an absolute link leads out of it.
Result<OwnedFd> open_in(int root, const std::string& path, std::uint64_t flags,
                        const CopyOptions& options) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  OwnedFd file(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
  if (file.valid()) return file;
  return fail(options.explain(path_error(errno, "cannot open " + path)));
}

class Copier {
 public:
  explicit Copier(const CopyOptions& options) : options_(options), buffer_(kPieceBytes) {}

  [[nodiscard]] CopyReceipt& receipt() { return receipt_; }

  // `sink`: where all bytes go, in order. Null: `to` is a file, all of whose bytes are zero yet,
  // and holes are skipped.
  Status copy_bytes(int from, int to, const std::string& path, const ImageSink& sink) {
    const bool sparse = !sink;
    struct stat status = {};
    if (fstat(from, &status) != 0) return fail(unreadable("cannot read " + path));
    off_t at = 0;
    while (at < status.st_size) {
      off_t end = status.st_size;
      if (sparse) {
        const off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;  // a hole up to the end
        if (data >= 0) {
          const off_t hole = lseek(from, data, SEEK_HOLE);
          at = data;
          if (hole > data) end = std::min(end, hole);
        }
      }
      BLKREWIND_TRY(copy_range(from, to, path, at, end, sink));
      at = end;
    }
    if (sparse && ftruncate(to, status.st_size) != 0) {
      return fail(system_error(errno, "cannot write a copy of " + path));
    }
    ++receipt_.files;
    return {};
  }

  // `from`: an open regular file.
  Status copy_file(const OwnedFd& from, int folder, const std::string& name,
                   const std::string& path) {
    BLKREWIND_ASSIGN(PartialFile to, PartialFile::create(folder, name));
    BLKREWIND_TRY(copy_bytes(from.get(), to.descriptor(), path, nullptr));
    BLKREWIND_TRY(finish(from.get(), to.descriptor(), path));
    return to.give_name();
  }

  // `from`: an open folder. With all that is below it.
  Status copy_folder(OwnedFd from, int folder, const std::string& name, std::string path) {
    BLKREWIND_TRY(begin_folder(std::move(from), folder, name, path));
    while (!listings_.empty()) {
      Listing& here = listings_.back();
      path.resize(here.path_length);
      if (here.next == here.names.size()) {
        listings_.pop_back();
        BLKREWIND_TRY(end_folder(path));
        continue;
      }
      const std::string child = std::move(here.names[here.next++]);
      path = joined(path, child);
      BLKREWIND_TRY(copy_entry(sources_.descriptor(), copies_.descriptor(), child, path));
    }
    return {};
  }

 private:
  Status cancelled() const {
    if (options_.cancel == nullptr || !options_.cancel->load()) return {};
    return fail(Errc::kCancelled,
                listings_.empty() ? "cancelled" : "cancelled; what was copied is left");
  }

  [[nodiscard]] Error unreadable(const std::string& what) const {
    return options_.explain(path_error(errno, what));
  }

  // The rest is copied nevertheless.
  Status skip(Error error) {
    ++receipt_.failed;
    options_.warn(error.to_string());
    if (!receipt_.first_failure) receipt_.first_failure = std::move(error);
    return {};
  }

  Status copy_range(int from, int to, const std::string& path, off_t at, off_t end,
                    const ImageSink& sink) {
    while (at < end) {
      BLKREWIND_TRY(cancelled());
      const auto wanted = std::min<std::size_t>(buffer_.size(), static_cast<std::size_t>(end - at));
      const ssize_t got = pread(from, buffer_.data(), wanted, at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        Error error = unreadable("cannot read " + path);
        error.extent = Extent{static_cast<std::uint64_t>(at), wanted};
        read_failed_ = true;
        return fail(std::move(error));
      }
      if (got == 0) break;
      if (sink) {
        BLKREWIND_TRY(sink(std::as_bytes(std::span(buffer_)).first(static_cast<std::size_t>(got))));
      }
      for (ssize_t done = sink ? got : 0; done < got;) {
        const auto rest = static_cast<std::size_t>(got - done);
        const ssize_t written = pwrite(to, buffer_.data() + done, rest, at + done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail(system_error(errno, "cannot write a copy of " + path));
        done += written;
      }
      receipt_.bytes += static_cast<std::uint64_t>(got);
      at += got;
    }
    return {};
  }

  // Last, since writing changes the times, and a folder may not be writable.
  Status finish(int from, int to, const std::string& path) const {
    struct stat status = {};
    if (fstat(from, &status) != 0) return fail(unreadable("cannot read " + path));
    const std::array times = {status.st_atim, status.st_mtim};
    if (fchmod(to, status.st_mode & 0777) != 0 || futimens(to, times.data()) != 0) {
      return fail(system_error(errno, "cannot set mode and times of the copy of " + path));
    }
    return {};
  }

  Status begin_folder(OwnedFd from, int folder, const std::string& name, const std::string& path) {
    if (mkdirat(folder, name.c_str(), 0700) != 0) return fail(creation_error(errno, name));
    OwnedFd to(openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!to.valid()) return fail(system_error(errno, "cannot open the new folder " + name));
    ++receipt_.folders;
    Listing listing{.names = {}, .path_length = path.size()};
    errno = names_in(from.get(), listing.names);
    if (errno != 0) {
      BLKREWIND_TRY(skip(unreadable("cannot read all of the folder " + path)));
    }
    BLKREWIND_TRY(sources_.enter(std::move(from)));
    BLKREWIND_TRY(copies_.enter(std::move(to)));
    listings_.push_back(std::move(listing));
    return {};
  }

  Status end_folder(const std::string& path) {
    auto from = sources_.leave();
    auto to = copies_.leave();
    for (auto* left : {&from, &to}) {
      if (!*left) {
        return fail(options_.explain(std::move(*left).error().while_doing("copying " + path)));
      }
    }
    return finish(from->get(), to->get(), path);
  }

  Status copy_link(int source, int folder, const std::string& name, const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlinkat(source, name.c_str(), target.data(), target.size() - 1);
    if (length < 0) return skip(unreadable("cannot read the link " + path));
    struct stat status = {};
    if (symlinkat(target.data(), folder, name.c_str()) != 0)
      return fail(creation_error(errno, name));
    if (fstatat(source, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      const std::array times = {status.st_atim, status.st_mtim};
      static_cast<void>(utimensat(folder, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW));
    }
    ++receipt_.links;
    return {};
  }

  Status copy_entry(int source, int folder, const std::string& name, const std::string& path) {
    BLKREWIND_TRY(cancelled());
    struct stat status = {};
    if (fstatat(source, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return skip(unreadable("cannot look at " + path));
    }
    if (S_ISLNK(status.st_mode)) return copy_link(source, folder, name, path);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
      ++receipt_.left_out;
      options_.warn(path + " is neither a file nor a folder nor a link: left out");
      return {};
    }
    OwnedFd from(openat(source, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!from.valid()) return skip(unreadable("cannot open " + path));
    if (S_ISDIR(status.st_mode)) {
      return begin_folder(std::move(from), folder, name, path);
    }
    read_failed_ = false;
    Status done = copy_file(from, folder, name, path);
    if (!done && read_failed_) return skip(std::move(done).error());
    return done;
  }

  const CopyOptions& options_;
  std::vector<char> buffer_;
  CopyReceipt receipt_;
  bool read_failed_ = false;  // of the last file

  // Of the folders from the first one to where the copy is.
  struct Listing {
    std::vector<std::string> names;
    std::size_t next = 0;
    std::size_t path_length = 0;
  };
  std::vector<Listing> listings_;
  FolderChain sources_;
  FolderChain copies_;
};

struct OpenedPath {
  OwnedFd file;
  bool folder = false;
};

// Looked at before it is opened: opening a device does more than that.
Result<OpenedPath> open_path(int root, const std::string& path, const CopyOptions& options) {
  struct stat status = {};
  {
    BLKREWIND_ASSIGN(const OwnedFd place, open_in(root, path, O_PATH, options));
    if (fstat(place.get(), &status) != 0) {
      return fail(options.explain(path_error(errno, "cannot look at " + path)));
    }
  }
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) {
    return fail(Errc::kInvalidArgument, path + " is neither a file nor a folder");
  }
  OpenedPath opened{.file = {}, .folder = S_ISDIR(status.st_mode)};
  BLKREWIND_ASSIGN(opened.file, open_in(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, options));
  return opened;
}

}  // namespace

Result<CopyReceipt> copy_out(int root, const std::string& path, const std::string& to,
                             const CopyOptions& options) {
  BLKREWIND_ASSIGN(OpenedPath from, open_path(root, path, options));
  Copier copier(options);
  if (from.folder) {
    BLKREWIND_TRY(copier.copy_folder(std::move(from.file), AT_FDCWD, to, path));
  } else {
    BLKREWIND_TRY(copier.copy_file(from.file, AT_FDCWD, to, path));
  }
  return std::move(copier.receipt());
}

Result<CopyReceipt> write_out(int root, const std::string& path, int to,
                              const CopyOptions& options) {
  BLKREWIND_ASSIGN(const OpenedPath from, open_path(root, path, options));
  if (from.folder) {
    return fail(Errc::kInvalidArgument, path +
                                            " is not a file: only the content of one can be "
                                            "written to standard output");
  }
  Copier copier(options);
  BLKREWIND_TRY(copier.copy_bytes(from.file.get(), -1, path, write_to(to, options.cancel)));
  return std::move(copier.receipt());
}

}  // namespace blkrewind::cli
