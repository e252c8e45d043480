#define FUSE_USE_VERSION 35
#include "cli/mount/file_server.h"

#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cli/owned_fd.h"

namespace blkrewind::cli {
namespace {

// How long the kernel may answer without asking: names come and go, what a file is does not.
constexpr double kNameSeconds = 1;
constexpr double kFolderSeconds = 1;
constexpr double kFileSeconds = 24.0 * 3600;

// What is read ahead of a sequential reader: more than the kernel's 128 KiB keeps several threads
// at work. Only root may set it.
constexpr std::uint64_t kReadAheadBytes = 1 * kMiB;

// What libfuse says on the way to a failure, on one thread at a time: the cause is in no return
// value.
std::mutex g_said_mutex;
std::string g_said;

void note_said(fuse_log_level level, const char* format, va_list arguments) {
  if (level > FUSE_LOG_WARNING) return;
  std::array<char, 512> text{};
  static_cast<void>(std::vsnprintf(text.data(), text.size(), format, arguments));
  const std::scoped_lock lock(g_said_mutex);
  if (g_said.size() < 4096) g_said += text.data();
}

std::string take_said() {
  const std::scoped_lock lock(g_said_mutex);
  return std::exchange(g_said, {});
}

// Standard error while it exists: fusermount3 writes why it refuses a mount to no other place.
class CapturedStandardError {
 public:
  CapturedStandardError()
      : into_(memfd_create("standard error", MFD_CLOEXEC)),
        before_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    if (into_.valid() && before_.valid()) dup2(into_.get(), STDERR_FILENO);
  }
  ~CapturedStandardError() {
    if (before_.valid()) dup2(before_.get(), STDERR_FILENO);
  }
  CapturedStandardError(const CapturedStandardError&) = delete;
  CapturedStandardError& operator=(const CapturedStandardError&) = delete;

  [[nodiscard]] std::string text() const {
    std::array<char, 1024> buffer{};
    const ssize_t length = into_.valid() ? pread(into_.get(), buffer.data(), buffer.size(), 0) : 0;
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
  }

 private:
  OwnedFd into_;
  OwnedFd before_;
};

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::ranges::replace(text, '\n', ';');
  return text;
}

int number_of_error(const Error& error) {
  switch (error.code) {
    case Errc::kNotFound:
      return ESTALE;
    case Errc::kBusy:
      return EBUSY;
    default:
      return error.sys_errno == EMFILE || error.sys_errno == ENFILE || error.sys_errno == ENOMEM
                 ? error.sys_errno
                 : EIO;
  }
}

// Of the mounted file system; not before the kernel's initial request was answered, which sets it.
void read_ahead_more(dev_t device) {
  if (device == 0) return;
  std::ofstream("/sys/class/bdi/" + std::to_string(major(device)) + ":" +
                std::to_string(minor(device)) + "/read_ahead_kb")
      << kReadAheadBytes / kKiB;
}

}  // namespace

struct FileServer::Impl {
  using Attributes = SnapshotTree::Attributes;

  Impl(SnapshotTree& shown, Engine& source, MountLog& errors)
      : tree(shown), engine(source), log(errors) {}

  SnapshotTree& tree;
  Engine& engine;
  MountLog& log;
  fuse_session* session = nullptr;
  bool handles_signals = false;
  dev_t device = 0;  // of the mounted file system
  std::once_flag tuned;
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::unique_ptr<SnapshotReader>> readers;
  std::uint64_t last_handle = 0;

  static Impl& of(fuse_req_t request) { return *static_cast<Impl*>(fuse_req_userdata(request)); }

  static struct stat status_of(const Attributes& attributes) {
    struct stat status = {};
    status.st_ino = attributes.number;
    status.st_mode = attributes.folder ? S_IFDIR | 0555 : S_IFREG | 0444;
    status.st_nlink = attributes.links;
    status.st_uid = getuid();
    status.st_gid = getgid();
    status.st_size = static_cast<off_t>(attributes.size_bytes);
    // Less than the size where there are holes: programs that copy files look for them then.
    status.st_blocks = static_cast<blkcnt_t>((attributes.data_bytes + 511) / 512);
    status.st_mtim.tv_sec = status.st_ctim.tv_sec = status.st_atim.tv_sec = attributes.changed_at;
    return status;
  }

  static double seconds_of(const Attributes& attributes) {
    return attributes.folder ? kFolderSeconds : kFileSeconds;
  }

  SnapshotReader& reader(std::uint64_t handle) {
    const std::scoped_lock lock(mutex);
    return *readers.at(handle);
  }

  static void lookup(fuse_req_t request, fuse_ino_t folder, const char* name) {
    const auto found = of(request).tree.lookup(folder, name);
    fuse_entry_param entry = {};
    entry.entry_timeout = kNameSeconds;
    if (!found && found.error() == ENOENT) {
      fuse_reply_entry(request, &entry);  // the number 0: and it is not asked for again
      return;
    }
    if (!found) {
      fuse_reply_err(request, found.error());
      return;
    }
    entry.ino = found->number;
    entry.attr = status_of(*found);
    entry.attr_timeout = seconds_of(*found);
    fuse_reply_entry(request, &entry);
  }

  static void get_attributes(fuse_req_t request, fuse_ino_t number, fuse_file_info* /*file*/) {
    const auto found = of(request).tree.attributes(number);
    if (!found) {
      fuse_reply_err(request, found.error());
      return;
    }
    const struct stat status = status_of(*found);
    fuse_reply_attr(request, &status, seconds_of(*found));
  }

  // A folder is read as it was when it was opened.
  static void open_folder(fuse_req_t request, fuse_ino_t number, fuse_file_info* file) {
    auto entries = of(request).tree.entries(number);
    if (!entries) {
      fuse_reply_err(request, entries.error());
      return;
    }
    auto held = std::make_unique<std::vector<SnapshotTree::Entry>>(std::move(*entries));
    held->insert(held->begin(), {{".", number, true}, {"..", SnapshotTree::kRoot, true}});
    file->fh = reinterpret_cast<std::uint64_t>(held.get());
    if (fuse_reply_open(request, file) == 0) static_cast<void>(held.release());
  }

  static std::vector<SnapshotTree::Entry>* folder_of(const fuse_file_info* file) {
    return reinterpret_cast<std::vector<SnapshotTree::Entry>*>(file->fh);
  }

  static void read_folder(fuse_req_t request, fuse_ino_t /*number*/, std::size_t size, off_t offset,
                          fuse_file_info* file) {
    const auto& entries = *folder_of(file);
    std::vector<char> buffer(size);
    std::size_t used = 0;
    for (auto at = static_cast<std::size_t>(offset); at < entries.size(); ++at) {
      struct stat status = {};
      status.st_ino = entries[at].number;
      status.st_mode = entries[at].folder ? S_IFDIR : S_IFREG;
      const std::size_t needed =
          fuse_add_direntry(request, buffer.data() + used, size - used, entries[at].name.c_str(),
                            &status, static_cast<off_t>(at + 1));
      if (needed > size - used) break;
      used += needed;
    }
    fuse_reply_buf(request, buffer.data(), used);
  }

  static void close_folder(fuse_req_t request, fuse_ino_t /*number*/, fuse_file_info* file) {
    delete folder_of(file);
    fuse_reply_err(request, 0);
  }

  static void open_file(fuse_req_t request, fuse_ino_t number, fuse_file_info* file) {
    Impl& self = of(request);
    if ((file->flags & O_ACCMODE) != O_RDONLY) {
      fuse_reply_err(request, EROFS);
      return;
    }
    const auto id = self.tree.snapshot_id(number);
    if (!id) {
      fuse_reply_err(request, id.error());
      return;
    }
    auto reader = self.engine.open_snapshot(*id);
    if (!reader) {
      // The kernel looks the name up once more before it passes an ESTALE on.
      if (reader.error().code == Errc::kNotFound)
        self.tree.outdated();
      else
        self.log.error(reader.error());
      fuse_reply_err(request, number_of_error(reader.error()));
      return;
    }
    std::call_once(self.tuned, [&] { read_ahead_more(self.device); });
    {
      const std::scoped_lock lock(self.mutex);
      file->fh = ++self.last_handle;
      self.readers.emplace(file->fh, std::make_unique<SnapshotReader>(std::move(*reader)));
    }
    file->keep_cache = 1;  // a number is one snapshot, whose content does not change
    file->noflush = 1;
    if (fuse_reply_open(request, file) != 0) self.forget(file->fh);
  }

  void forget(std::uint64_t handle) {
    std::unique_ptr<SnapshotReader> closed;
    const std::scoped_lock lock(mutex);
    const auto at = readers.find(handle);
    if (at == readers.end()) return;
    closed = std::move(at->second);
    readers.erase(at);
  }

  static void close_file(fuse_req_t request, fuse_ino_t /*number*/, fuse_file_info* file) {
    of(request).forget(file->fh);
    fuse_reply_err(request, 0);
  }

  static void read_file(fuse_req_t request, fuse_ino_t /*number*/, std::size_t size, off_t offset,
                        fuse_file_info* file) {
    thread_local std::vector<std::byte> buffer;
    Impl& self = of(request);
    SnapshotReader& reader = self.reader(file->fh);
    const auto from = static_cast<std::uint64_t>(offset);
    const std::uint64_t end = reader.size_bytes();
    const std::uint64_t length = from < end ? std::min<std::uint64_t>(size, end - from) : 0;
    if (buffer.size() < length) buffer.resize(length);
    // All or nothing: what is short is the end of the file to the kernel.
    const Status done = reader.read(from, std::span(buffer).first(length));
    if (!done) {
      self.log.error(done.error());
      fuse_reply_err(request, EIO);
      return;
    }
    fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), length);
  }

  // SEEK_DATA and SEEK_HOLE of lseek(2); the kernel does the others itself.
  static void seek(fuse_req_t request, fuse_ino_t /*number*/, off_t offset, int whence,
                   fuse_file_info* file) {
    Impl& self = of(request);
    SnapshotReader& reader = self.reader(file->fh);
    const auto from = static_cast<std::uint64_t>(offset);
    const std::uint64_t end = reader.size_bytes();
    if (offset < 0 || from >= end || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
      fuse_reply_err(request, whence == SEEK_DATA || whence == SEEK_HOLE ? ENXIO : EINVAL);
      return;
    }
    // Where a file ends there is a hole, and no data.
    std::uint64_t found = end;
    const Status done = reader.extents({from, end - from}, [&](Extent extent, bool data) {
      if (data != (whence == SEEK_DATA)) return true;
      found = extent.offset;
      return false;
    });
    if (!done) {
      self.log.error(done.error());
      fuse_reply_err(request, EIO);
    } else if (found == end && whence == SEEK_DATA) {
      fuse_reply_err(request, ENXIO);
    } else {
      fuse_reply_lseek(request, static_cast<off_t>(found));
    }
  }

  // No exception passes through libfuse, which is C.
  template <auto kOperation, class... Arguments>
  static void guarded(fuse_req_t request, Arguments... arguments) {
    try {
      kOperation(request, arguments...);
    } catch (const std::bad_alloc&) {
      fuse_reply_err(request, ENOMEM);
    } catch (...) {
      fuse_reply_err(request, EIO);
    }
  }

  static fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops all = {};
    all.lookup = guarded<lookup>;
    all.getattr = guarded<get_attributes>;
    all.opendir = guarded<open_folder>;
    all.readdir = guarded<read_folder>;
    all.releasedir = guarded<close_folder>;
    all.open = guarded<open_file>;
    all.release = guarded<close_file>;
    all.read = guarded<read_file>;
    all.lseek = guarded<seek>;
    return all;
  }

  static Error mount_error(const ServedMount& where, const std::string& said) {
    Error error;
    error.code = Errc::kPrecondition;
    error.message = "cannot mount" + (where.folder.empty() ? "" : " on " + where.folder) +
                    (said.empty() ? "" : ": " + said);
    if (access("/dev/fuse", F_OK) != 0) {
      error = system_error(errno, "cannot find /dev/fuse");
      error.code = Errc::kUnsupported;
      error.remedy = run_program("load the kernel's module", "modprobe fuse");
    } else if (geteuid() != 0) {
      error.remedy = "install fuse3 for its fusermount3, and name a folder of your own";
    }
    return error;
  }

  Status attach(const ServedMount& where) {
    std::string options = "ro,default_permissions,fsname=blkrewind,subtype=blkrewind";
    if (where.allow_other) options += ",allow_other";
    std::string name = "blkrewind";
    std::string option = "-o";
    std::array<char*, 4> words{name.data(), option.data(), options.data(), nullptr};
    // One that was mounted already has its options.
    fuse_args arguments = {where.device >= 0 ? 1 : 3, words.data(), 0};
    static const fuse_lowlevel_ops all = operations();
    fuse_set_log_func(note_said);
    static_cast<void>(take_said());
    std::string said;
    {
      const CapturedStandardError captured;
      session = fuse_session_new(&arguments, &all, sizeof all, this);
      const std::string target =
          where.device >= 0 ? "/dev/fd/" + std::to_string(where.device) : where.folder;
      const bool mounted = session != nullptr && fuse_session_mount(session, target.c_str()) == 0;
      said = mounted ? std::string() : one_line(take_said() + captured.text());
      if (!mounted && session != nullptr) fuse_session_destroy(std::exchange(session, nullptr));
    }
    fuse_opt_free_args(&arguments);
    if (session == nullptr) return fail(mount_error(where, said));
    // Without asking the file system itself, which does not answer yet.
    struct statx status = {};
    if (where.device < 0 &&
        statx(AT_FDCWD, where.folder.c_str(), AT_STATX_DONT_SYNC, 0, &status) == 0) {
      device = makedev(status.stx_dev_major, status.stx_dev_minor);
    }
    handles_signals = fuse_set_signal_handlers(session) == 0;
    return {};
  }

  void detach() {
    if (session == nullptr) return;
    if (handles_signals) fuse_remove_signal_handlers(session);
    fuse_session_unmount(session);
    fuse_session_destroy(std::exchange(session, nullptr));
  }
};

FileServer::FileServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FileServer::~FileServer() { impl_->detach(); }

Result<std::unique_ptr<FileServer>> FileServer::mount(SnapshotTree& tree, Engine& engine,
                                                      MountLog& log, const ServedMount& where) {
  auto impl = std::make_unique<Impl>(tree, engine, log);
  BLKREWIND_TRY(impl->attach(where));
  return std::unique_ptr<FileServer>(new FileServer(std::move(impl)));
}

Status FileServer::serve() {
  fuse_loop_config config = {};
  config.clone_fd = 0;
  config.max_idle_threads = 10;
  const int ended = fuse_session_loop_mt(impl_->session, &config);
  if (ended >= 0) return {};  // 0: unmounted; otherwise the signal
  return fail(system_error(-ended, "cannot read requests from /dev/fuse"));
}

}  // namespace blkrewind::cli
