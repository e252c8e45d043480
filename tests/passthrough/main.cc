// A FUSE file system that shows a folder as a host sees it on a network file system: data is read
// and written past the page cache and locks reach the folder, but memory that is mapped is shared
// among the processes of one mount only.
//
//   passthrough FOLDER MOUNT_POINT OPTIONS     stays in the foreground until it is unmounted
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

std::string folder;

std::string below(const char* path) { return folder + path; }
int result(int returned) { return returned == 0 ? 0 : -errno; }
int fd_of(const fuse_file_info* info) { return static_cast<int>(info->fh); }

void* start(fuse_conn_info* /*connection*/, fuse_config* config) {
  // Nothing about names and attributes is remembered.
  config->use_ino = 1;
  config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
  config->nullpath_ok = 0;
  return nullptr;
}

int get_attributes(const char* path, struct stat* status, fuse_file_info* info) {
  return result(info != nullptr ? ::fstat(fd_of(info), status)
                                : ::lstat(below(path).c_str(), status));
}

int list(const char* path, void* buffer, fuse_fill_dir_t fill, off_t /*offset*/,
         fuse_file_info* /*info*/, fuse_readdir_flags /*flags*/) {
  DIR* const directory = ::opendir(below(path).c_str());
  if (directory == nullptr) return -errno;
  while (const dirent* entry = ::readdir(directory)) {
    if (fill(buffer, entry->d_name, nullptr, 0, fuse_fill_dir_flags{}) != 0) break;
  }
  ::closedir(directory);
  return 0;
}

// The file of SQLite's shared memory is the one that is mapped, which direct I/O would refuse.
void set_caching(const char* path, fuse_file_info* info) {
  const bool mapped = std::string_view(path).ends_with("-shm");
  info->direct_io = mapped ? 0 : 1;
  info->keep_cache = mapped ? 1 : 0;
}

int open_with(const char* path, int flags, mode_t mode, fuse_file_info* info) {
  const int fd = ::open(below(path).c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return -errno;
  info->fh = static_cast<std::uint64_t>(fd);
  set_caching(path, info);
  return 0;
}

// What is mapped is read back for a page that is written in part.
int readable(int flags) {
  return (flags & O_ACCMODE) == O_WRONLY ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

int open_file(const char* path, fuse_file_info* info) {
  return open_with(path, readable(info->flags), 0, info);
}

int create_file(const char* path, mode_t mode, fuse_file_info* info) {
  return open_with(path, readable(info->flags) | O_CREAT, mode, info);
}

int read_file(const char* /*path*/, char* buffer, std::size_t size, off_t offset,
              fuse_file_info* info) {
  const ssize_t got = ::pread(fd_of(info), buffer, size, offset);
  return got < 0 ? -errno : static_cast<int>(got);
}

int write_file(const char* /*path*/, const char* buffer, std::size_t size, off_t offset,
               fuse_file_info* info) {
  const ssize_t put = ::pwrite(fd_of(info), buffer, size, offset);
  return put < 0 ? -errno : static_cast<int>(put);
}

int truncate_file(const char* path, off_t size, fuse_file_info* info) {
  return result(info != nullptr ? ::ftruncate(fd_of(info), size)
                                : ::truncate(below(path).c_str(), size));
}

int close_file(const char* /*path*/, fuse_file_info* info) { return result(::close(fd_of(info))); }
int sync_file(const char* /*path*/, int /*data_only*/, fuse_file_info* info) {
  return result(::fsync(fd_of(info)));
}

int sync_folder(const char* path, int /*data_only*/, fuse_file_info* /*info*/) {
  const int fd = ::open(below(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int synced = result(::fsync(fd));
  ::close(fd);
  return synced;
}

int remove_file(const char* path) { return result(::unlink(below(path).c_str())); }

int rename_file(const char* from, const char* to, unsigned flags) {
  return result(::renameat2(AT_FDCWD, below(from).c_str(), AT_FDCWD, below(to).c_str(), flags));
}

int change_mode(const char* path, mode_t mode, fuse_file_info* /*info*/) {
  return result(::chmod(below(path).c_str(), mode));
}

int change_owner(const char* path, uid_t user, gid_t group, fuse_file_info* /*info*/) {
  return result(::lchown(below(path).c_str(), user, group));
}

// A lock belongs to the file that was opened: of two mounts, and of two processes of one.
int lock_range(const char* /*path*/, fuse_file_info* info, int command, struct flock* lock) {
  lock->l_pid = 0;
  const int open_file_command = command == F_GETLK    ? F_OFD_GETLK
                                : command == F_SETLKW ? F_OFD_SETLKW
                                                      : F_OFD_SETLK;
  return result(::fcntl(fd_of(info), open_file_command, lock));
}

int lock_file(const char* /*path*/, fuse_file_info* info, int operation) {
  return result(::flock(fd_of(info), operation));
}

fuse_operations operations() {
  fuse_operations made{};
  made.init = start;
  made.getattr = get_attributes;
  made.readdir = list;
  made.open = open_file;
  made.create = create_file;
  made.read = read_file;
  made.write = write_file;
  made.truncate = truncate_file;
  made.release = close_file;
  made.fsync = sync_file;
  made.fsyncdir = sync_folder;
  made.unlink = remove_file;
  made.rename = rename_file;
  made.chmod = change_mode;
  made.chown = change_owner;
  made.lock = lock_range;
  made.flock = lock_file;
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: passthrough FOLDER MOUNT_POINT OPTIONS\n");
    return 2;
  }
  ::umask(0);
  folder = argv[1];
  char foreground[] = "-f";
  std::string options = std::string("-o") + argv[3];
  char* arguments[] = {argv[0], foreground, options.data(), argv[2], nullptr};
  const fuse_operations made = operations();
  return fuse_main(4, arguments, &made, nullptr);
}
