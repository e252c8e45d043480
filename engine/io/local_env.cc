#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "base/fd.h"
#include "host/attached.h"
#include "host/lives_on.h"
#include "host/lock_holders.h"
#include "host/probe.h"
#include "io/env.h"
#include "io/file_lock.h"
#include "io/folder.h"
#include "io/folder_env.h"
#include "io/local_file.h"
#include "io/stream.h"
#include "io/sync_queue.h"
#include "io/uring_queue.h"

namespace blkrewind::io {
namespace {

class LocalEnv final : public Env {
 public:
  explicit LocalEnv(const LocalEnvOptions& options) : options_(options) {}

  Result<std::unique_ptr<File>> open(const std::string& path, const OpenOptions& options) override {
    return LocalFile::open(path, options);
  }

  Result<std::unique_ptr<Queue>> make_queue(const QueueOptions& options) override;

  Status make_directory(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status rename_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list_directory(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<host::FileId> identify(const std::string& path) override;
  Result<std::uint64_t> allocated_bytes(const std::string& path) override;
  Result<std::int64_t> modified_at(const std::string& path) override;

  Result<std::unique_ptr<Lock>> try_lock(const std::string& path, std::uint64_t offset,
                                         LockMode mode) override {
    return lock_byte(path, offset, mode, false);
  }
  Result<std::unique_ptr<Lock>> lock(const std::string& path, std::uint64_t offset,
                                     LockMode mode) override {
    return lock_byte(path, offset, mode, true);
  }
  Result<bool> is_locked(const std::string& path, std::uint64_t offset) override {
    return byte_is_locked(path, offset);
  }

  Result<std::unique_ptr<Stream>> open_stream(const std::string& path,
                                              std::uint64_t size_bytes) override;
  std::string lock_holders(const std::string& path, std::uint64_t offset) override {
    return host::lock_holders(path, offset);
  }

  Result<host::DeviceInfo> probe(const std::string& path) override {
    return host::probe_device(path);
  }
  Result<host::DeviceInfo> probe(File& file) override {
    auto* local = dynamic_cast<LocalFile*>(&file);
    if (local == nullptr) return fail(Errc::kInternal, "a file of another Env");
    return probe_opened(*local);
  }
  Result<host::DeviceInfo> examine(const std::string& path) override {
    return host::examine_device(path);
  }
  Result<std::vector<host::DeviceInfo>> attached(std::uint64_t content_bytes) override {
    return host::attached_devices(content_bytes);
  }
  Result<bool> lives_on(const std::string& directory, const host::DeviceInfo& device) override {
    return host::lives_on(directory, device);
  }
  Result<std::unique_ptr<Env>> beneath(const std::string& folder) override {
    return make_folder_env(*this, folder);
  }

 private:
  Result<host::DeviceInfo> probe_opened(LocalFile& file) const {
    host::ProbeSubject subject;
    subject.fd = file.fd();
    subject.bytes_fd = file.buffered_fd();
    subject.exclusive = file.is_exclusive();
    subject.look_for_writers = options_.refuse_writers;
    subject.writable = file.is_writable();
    subject.other_writers = file.take_other_writers();
    subject.only_opener = file.was_only_opener();
    if (subject.bytes_fd < 0) {
      return fail(system_error(-subject.bytes_fd, "cannot open " + file.path() + " a second time"));
    }
    return host::probe_opened(subject, file.path());
  }

  const LocalEnvOptions options_;
};

tl::unexpected<Error> errno_error(std::string message) {
  return tl::unexpected(system_error(errno, std::move(message)));
}

Result<std::unique_ptr<Queue>> LocalEnv::make_queue(const QueueOptions& options) {
  if (!options_.allow_io_uring || options.depth == 1) return make_sync_queue(options);
  auto queue = make_uring_queue(options);
  if (!queue && means_no_uring(queue.error().sys_errno)) return make_sync_queue(options);
  return queue;
}

Result<std::unique_ptr<Stream>> LocalEnv::open_stream(const std::string& path,
                                                      std::uint64_t size_bytes) {
  if (path == "-") {
    UniqueFd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!fd.valid()) return errno_error("cannot read standard input");
    return std::make_unique<Stream>(std::move(fd), "standard input", size_bytes);
  }
  struct stat status {};
  // What is not there, or is something else, is for open() to judge.
  if (::stat(path.c_str(), &status) != 0) return std::unique_ptr<Stream>();
  if (!S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode) && !S_ISCHR(status.st_mode)) {
    return std::unique_ptr<Stream>();
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return errno_error("cannot open " + path);
  return std::make_unique<Stream>(std::move(fd), path, size_bytes);
}

Status LocalEnv::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  Error error = system_error(errno, "cannot create the directory " + path);
  if (error.sys_errno == EEXIST) error.code = Errc::kAlreadyExists;
  return tl::unexpected(std::move(error));
}

Status LocalEnv::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return errno_error("cannot rename " + from + " to " + to);
}

Status LocalEnv::rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  // A file system that does not know the flag may support hard links, which never replace a file
  // either.
  bool renamed = false;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
    renamed = ::link(from.c_str(), to.c_str()) == 0 && ::unlink(from.c_str()) == 0;
  }
  if (renamed) return {};
  Error error = system_error(errno, "cannot rename " + from + " to " + to);
  if (error.sys_errno == EEXIST) {
    error.code = Errc::kAlreadyExists;
    error.message = "there is already a file " + to;
    return fail(std::move(error).with_remedy("name a file that does not exist yet"));
  }
  if (error.sys_errno == EPERM || error.sys_errno == EOPNOTSUPP || error.sys_errno == ENOSYS) {
    error.code = Errc::kUnsupported;
    return fail(std::move(error).with_remedy(
        "this file system cannot give a file its name without the danger of replacing another; "
        "use one that has hard links, or write to standard output"));
  }
  return tl::unexpected(std::move(error));
}

Status LocalEnv::remove(const std::string& path) {
  if (::remove(path.c_str()) == 0) return {};  // a file or an empty directory
  return errno_error("cannot remove " + path);
}

Status LocalEnv::sync_directory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return errno_error("cannot open the directory " + path);
  // Never retried: the kernel reports a failed flush once and then forgets it (fsync(2)).
  if (::fsync(fd.get()) == 0) return {};
  return errno_error("cannot flush the directory " + path);
}

Result<std::vector<std::string>> LocalEnv::list_directory(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return errno_error("cannot list the directory " + path);
  return names_in(std::move(folder), path);
}

Result<bool> LocalEnv::exists(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) == 0) return true;  // a dangling link also occupies the name
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return errno_error("cannot find " + path);
}

Result<host::FileId> LocalEnv::identify(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return errno_error("cannot find " + path);
  return host::FileId{status.st_dev, status.st_ino};
}

Result<std::int64_t> LocalEnv::modified_at(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return errno_error("cannot find " + path);
  return std::int64_t{status.st_mtim.tv_sec};
}

Result<std::uint64_t> LocalEnv::allocated_bytes(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return errno_error("cannot find " + path);
  // st_blocks is in units of 512 bytes, whatever the block size of the file system (stat(2)).
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace

std::unique_ptr<Env> make_local_env(const LocalEnvOptions& options) {
  return std::make_unique<LocalEnv>(options);
}

}  // namespace blkrewind::io
