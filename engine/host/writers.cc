#include "host/writers.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <memory>
#include <string_view>

#include "base/fd.h"
#include "host/stays.h"

namespace blkrewind::host {
namespace {

// 0, or the errno why the kernel grants no lease. It is released at once.
int try_lease(int fd, int kind) {
  // If another process opens the file in between, the kernel sends a signal to this process: by
  // default SIGIO, which would terminate it; SIGURG is ignored by default.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return errno;
  const int error = ::fcntl(fd, F_SETLEASE, kind) == 0 ? 0 : errno;
  if (error == 0) ::fcntl(fd, F_SETLEASE, F_UNLCK);
  ::fcntl(fd, F_SETSIG, 0);
  return error;
}

bool is_number(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Through the link to the open file itself: `name` in the folder `at`. Never blocks on a network
// file system.
bool leads_to(int at, const char* name, const Sought& sought) {
  struct statx status {};
  if (::statx(at, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &status) != 0) return false;
  if (S_ISBLK(status.stx_mode)) {
    return sought.devices.contains(makedev(status.stx_rdev_major, status.stx_rdev_minor));
  }
  if (!S_ISREG(status.stx_mode)) return false;
  const FileId id = {.device = makedev(status.stx_dev_major, status.stx_dev_minor),
                     .inode = status.stx_ino};
  return std::find(sought.files.begin(), sought.files.end(), id) != sought.files.end();
}

// Whether this process may see what it has open, and there is anything: a kernel thread, and what
// is left of a process that has ended, have no program. All links of a process in proc(5) ask for
// the same permission.
bool may_have_files(const std::string& process) {
  std::array<char, 1> bytes{};
  return ::readlink((process + "/exe").c_str(), bytes.data(), bytes.size()) >= 0 ||
         (errno != ENOENT && errno != EACCES);
}

std::string target_of(const std::string& link) {
  std::array<char, 4096> bytes{};
  const ssize_t got = ::readlink(link.c_str(), bytes.data(), bytes.size());
  return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
}

// The "flags:" of proc(5), octal; the access mode is in its last two bits.
bool is_writable(const std::string& fdinfo) {
  constexpr std::string_view kKey = "flags:";
  const std::string info = read_attribute(fdinfo);
  std::size_t at = info.find(kKey);
  if (at == std::string::npos) return false;
  at = info.find_first_not_of(" \t", at + kKey.size());
  unsigned flags = 0;
  if (at == std::string::npos ||
      std::from_chars(info.data() + at, info.data() + info.size(), flags, 8).ec != std::errc{}) {
    return false;
  }
  const unsigned access = flags & O_ACCMODE;
  return (flags & O_PATH) == 0 && (access == O_WRONLY || access == O_RDWR);
}

std::string read_all(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 32768> part{};
  while (fd.valid()) {
    const ssize_t got = ::read(fd.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// A shared mapping can write after its descriptor was closed. proc(5): "address perms offset ...".
std::string mapped(const std::string& process, const Sought& sought) {
  const std::string maps = read_all(process + "/maps");
  constexpr std::string_view kSharedWritable = "w-s ";
  constexpr std::string_view kSharedCode = "wxs ";
  std::size_t begin = 0;
  while (begin < maps.size()) {
    const std::size_t end = std::min(maps.find('\n', begin), maps.size());
    const std::string_view line = std::string_view(maps).substr(begin, end - begin);
    begin = end + 1;
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || line.size() < blank + 6) continue;
    const std::string_view shared = line.substr(blank + 2, kSharedWritable.size());
    if (shared != kSharedWritable && shared != kSharedCode) continue;
    const std::string link = process + "/map_files/" + std::string(line.substr(0, blank));
    if (leads_to(AT_FDCWD, link.c_str(), sought)) return target_of(link);
  }
  return {};
}

// A searched file that the process, or one of its threads, has open for writing; empty: none is
// visible.
std::string written_by_task(const std::string& process, const Sought& sought) {
  // Most processes end here: what follows costs ten times as much.
  if (!may_have_files(process)) return {};
  const std::string descriptors = process + "/fd";
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(descriptors.c_str()), &::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (!is_number(name)) continue;
    if (leads_to(::dirfd(folder.get()), entry->d_name, sought) &&
        is_writable(process + "/fdinfo/" + name)) {
      return target_of(join_path(descriptors, name));
    }
  }
  return mapped(process, sought);
}

// Without reading the list of them: the kernel counts each as a link of their folder
// (fs/proc/base.c, proc_task_getattr).
bool has_one_thread(const std::string& process) {
  constexpr nlink_t kOfAnEmptyFolder = 2;
  struct stat status {};
  return ::stat((process + "/task").c_str(), &status) == 0 &&
         status.st_nlink == kOfAnEmptyFolder + 1;
}

// A thread may have its own descriptor table (unshare(2), CLONE_FILES), and the main thread has
// none if it has ended before the others. False if the kernel does not tell.
bool shares_descriptors(pid_t process, pid_t thread) {
  return ::syscall(SYS_kcmp, process, thread, KCMP_FILES, 0, 0) == 0;
}

// For the process and all of its threads. `process`: "/proc/4711" or "/proc/self".
std::string written_by(const std::string& process, const Sought& sought) {
  if (std::string path = written_by_task(process, sought); !path.empty()) return path;
  if (has_one_thread(process)) return {};
  const std::vector<std::string> threads = list_names(process + "/task");
  if (threads.size() < 2) return {};
  pid_t first = 0;
  const std::string status = read_all(process + "/status");
  constexpr std::string_view kKey = "\nTgid:\t";
  if (const std::size_t at = status.find(kKey); at != std::string::npos) {
    std::from_chars(status.data() + at + kKey.size(), status.data() + status.size(), first);
  }
  for (const std::string& name : threads) {
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (thread == first || shares_descriptors(first, thread)) continue;
    // Found by its number, although it is not listed: proc(5).
    if (std::string path = written_by_task("/proc/" + name, sought); !path.empty()) return path;
  }
  return {};
}

std::string process_folder(const Writer& writer) {
  return "/proc/" + std::to_string(writer.process);
}

bool is_own(const struct stat& file) {
  const Sought sought = {.devices = {}, .files = {{.device = file.st_dev, .inode = file.st_ino}}};
  return !written_by("/proc/self", sought).empty();
}

}  // namespace

Answer open_for_writing_elsewhere(int fd) {
  int error = 0;
  const bool stays = stays_held([&] {
    error = try_lease(fd, F_RDLCK);
    return error == EAGAIN;
  });
  if (!stays) return error == 0 ? Answer::kNo : Answer::kUnknown;
  struct stat status {};
  return ::fstat(fd, &status) != 0 || is_own(status) ? Answer::kUnknown : Answer::kYes;
}

bool is_only_opener(int fd) {
  // A file on an overlay is a different file below, which can be open by itself.
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0 || status.f_type == OVERLAYFS_SUPER_MAGIC) return false;
  return try_lease(fd, F_WRLCK) == 0;
}

std::optional<Writer> find_writer(const Sought& sought) {
  const std::string self = target_of("/proc/self");
  for (const std::string& name : list_names("/proc")) {
    if (!is_number(name) || name == self) continue;
    const std::string process = "/proc/" + name;
    std::string path = written_by(process, sought);
    if (path.empty()) continue;
    Writer writer;
    std::from_chars(name.data(), name.data() + name.size(), writer.process);
    writer.program = read_attribute(process + "/comm");
    writer.path = std::move(path);
    return writer;
  }
  return std::nullopt;
}

std::optional<Writer> find_lasting_writer(const Sought& sought) {
  std::optional<Writer> found = find_writer(sought);
  (void)stays_held([&] {
    // The whole table again only after this process has released the file.
    if (found && written_by(process_folder(*found), sought).empty()) found = find_writer(sought);
    return found.has_value();
  });
  return found;
}

}  // namespace blkrewind::host
