#include "io/folder_env.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "io/file_lock.h"
#include "io/folder.h"
#include "io/local_file.h"

namespace blkrewind::io {
namespace {

class FolderEnv final : public Env {
 public:
  FolderEnv(Env& env, Folder folder) : env_(env), folder_(std::move(folder)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, const OpenOptions& options) override {
    if (options.unnamed) return open_unnamed(path, options);
    const auto name = beneath_name(path);
    if (!name) return env_.open(path, options);
    const int access = options.access == Access::kReadWrite ? O_RDWR : O_RDONLY;
    BLKREWIND_ASSIGN(UniqueFd fd, folder_.open_file(
                                      *name, access | (options.create_new ? O_CREAT | O_EXCL : 0)));
    return LocalFile::adopt(path, std::move(fd), options);
  }

  Result<std::unique_ptr<Queue>> make_queue(const QueueOptions& options) override {
    return env_.make_queue(options);
  }

  Status make_directory(const std::string& path) override {
    const auto name = beneath_name(path);
    return name ? folder_.make_folder(*name) : env_.make_directory(path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    const auto source = beneath_name(from);
    const auto target = beneath_name(to);
    if (source && target) return folder_.rename(*source, *target);
    if (!source && !target) return env_.rename(from, to);
    return fail(Errc::kInternal, "cannot rename " + from + " to " + to +
                                     ": only one of them is a file of the store");
  }

  Status rename_new(const std::string& from, const std::string& to) override {
    if (!beneath_name(from) && !beneath_name(to)) return env_.rename_new(from, to);
    return fail(Errc::kInternal, "cannot rename " + from + " to " + to +
                                     ": files of the store are not created this way");
  }

  Status remove(const std::string& path) override {
    const auto name = beneath_name(path);
    return name ? folder_.remove(*name) : env_.remove(path);
  }

  Status sync_directory(const std::string& path) override {
    const auto name = folder_name(path);
    if (!name) return env_.sync_directory(path);
    BLKREWIND_ASSIGN(const UniqueFd fd, folder_.open_folder(*name));
    // Never retried: the kernel reports a failed flush once and then forgets it (fsync(2)).
    if (::fsync(fd.get()) == 0) return {};
    return tl::unexpected(system_error(errno, "cannot flush the directory " + path));
  }

  Result<std::vector<std::string>> list_directory(const std::string& path) override {
    const auto name = folder_name(path);
    if (!name) return env_.list_directory(path);
    BLKREWIND_ASSIGN(UniqueFd fd, folder_.open_folder(*name));
    return names_in(std::move(fd), path);
  }

  Result<bool> exists(const std::string& path) override {
    const auto name = beneath_name(path);
    if (!name) return env_.exists(path);
    const auto status = folder_.look(*name);
    if (status) return true;
    if (status.error().code == Errc::kNotFound) return false;
    return fail(status.error());
  }

  Result<host::FileId> identify(const std::string& path) override {
    const auto name = beneath_name(path);
    if (!name) return env_.identify(path);
    BLKREWIND_ASSIGN(const struct stat status, folder_.look(*name));
    return host::FileId{status.st_dev, status.st_ino};
  }

  Result<std::uint64_t> allocated_bytes(const std::string& path) override {
    const auto name = beneath_name(path);
    if (!name) return env_.allocated_bytes(path);
    BLKREWIND_ASSIGN(const struct stat status, folder_.look(*name));
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  Result<std::int64_t> modified_at(const std::string& path) override {
    const auto name = beneath_name(path);
    if (!name) return env_.modified_at(path);
    BLKREWIND_ASSIGN(const struct stat status, folder_.look(*name));
    return std::int64_t{status.st_mtim.tv_sec};
  }

  Result<std::unique_ptr<Lock>> try_lock(const std::string& path, std::uint64_t offset,
                                         LockMode mode) override {
    return lock_beneath(path, offset, mode, false);
  }
  Result<std::unique_ptr<Lock>> lock(const std::string& path, std::uint64_t offset,
                                     LockMode mode) override {
    return lock_beneath(path, offset, mode, true);
  }

  Result<bool> is_locked(const std::string& path, std::uint64_t offset) override {
    const auto name = beneath_name(path);
    if (!name) return env_.is_locked(path, offset);
    BLKREWIND_ASSIGN(const UniqueFd fd, folder_.open_file(*name, O_RDONLY));
    return byte_is_locked(fd.get(), path, offset);
  }

  std::string lock_holders(const std::string& path, std::uint64_t offset) override {
    return env_.lock_holders(path, offset);
  }

  Result<host::DeviceInfo> probe(const std::string& path) override { return env_.probe(path); }
  Result<host::DeviceInfo> probe(File& file) override { return env_.probe(file); }
  Result<std::unique_ptr<Env>> beneath(const std::string& folder) override {
    return env_.beneath(folder);
  }
  Result<host::DeviceInfo> examine(const std::string& path) override { return env_.examine(path); }
  Result<std::vector<host::DeviceInfo>> attached(std::uint64_t content_bytes) override {
    return env_.attached(content_bytes);
  }
  Result<bool> lives_on(const std::string& directory, const host::DeviceInfo& device) override {
    return env_.lives_on(directory, device);
  }

 private:
  // The part after the directory's path; empty: the path, as written, is not below it.
  [[nodiscard]] std::optional<std::string> beneath_name(const std::string& path) const {
    const std::string& root = folder_.path();
    if (path.size() <= root.size() + 1 || !path.starts_with(root) || path[root.size()] != '/') {
      return std::nullopt;
    }
    std::string name = path.substr(root.size() + 1);
    for (std::string_view rest = name;;) {
      const std::size_t slash = rest.find('/');
      const std::string_view step = rest.substr(0, slash);
      if (step.empty() || step == "." || step == "..") return std::nullopt;
      if (slash == std::string_view::npos) return name;
      rest.remove_prefix(slash + 1);
    }
  }
  // The same for a directory; "" is the directory itself.
  [[nodiscard]] std::optional<std::string> folder_name(const std::string& path) const {
    if (path == folder_.path()) return std::string();
    return beneath_name(path);
  }

  Result<std::unique_ptr<File>> open_unnamed(const std::string& path, const OpenOptions& options) {
    const auto name = folder_name(path);
    if (!name) return env_.open(path, options);
    BLKREWIND_ASSIGN(const UniqueFd folder, folder_.open_folder(*name));
    UniqueFd fd(::openat(folder.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!fd.valid()) {
      return tl::unexpected(system_error(errno, "cannot create a file in " + path));
    }
    return LocalFile::adopt(path, std::move(fd), options);
  }

  Result<std::unique_ptr<Lock>> lock_beneath(const std::string& path, std::uint64_t offset,
                                             LockMode mode, bool wait) {
    const auto name = beneath_name(path);
    if (!name) return wait ? env_.lock(path, offset, mode) : env_.try_lock(path, offset, mode);
    const int access = mode == LockMode::kExclusive ? O_RDWR : O_RDONLY;
    BLKREWIND_ASSIGN(UniqueFd fd, folder_.open_file(*name, access));
    return lock_byte(std::move(fd), path, offset, mode, wait);
  }

  Env& env_;
  const Folder folder_;
};

}  // namespace

Result<std::unique_ptr<Env>> make_folder_env(Env& env, const std::string& folder) {
  BLKREWIND_ASSIGN(Folder opened, Folder::open(folder));
  return std::unique_ptr<Env>(std::make_unique<FolderEnv>(env, std::move(opened)));
}

}  // namespace blkrewind::io
