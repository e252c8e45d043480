#include "host/mounts.h"

#include <fcntl.h>
#include <libmount/libmount.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "base/fd.h"

namespace blkrewind::host {
namespace {

// These files are larger than any attribute, and may be cut anywhere: read to the end.
Result<std::string> read_whole(const std::string& path, int folder = AT_FDCWD) {
  const UniqueFd fd(::openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC));
  struct statfs status {};
  if (fd.valid() && (::fstatfs(fd.get(), &status) != 0 || status.f_type != PROC_SUPER_MAGIC)) {
    return fail(Errc::kIo, path + " is not one of the proc file system",
                run_program("mount it", "mount -t proc proc /proc"));
  }
  std::string text;
  std::array<char, 16384> part{};
  while (true) {
    const ssize_t got = fd.get() < 0 ? -1 : ::read(fd.get(), part.data(), part.size());
    if (got < 0 && fd.get() >= 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      Error error = system_error(errno, "cannot read " + path);
      error.code = Errc::kIo;
      return fail(std::move(error).with_remedy(
          run_program("mount the proc file system", "mount -t proc proc /proc")));
    }
    if (got == 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(begin);
    const std::size_t length = std::min(text.find_first_of(separators), text.size());
    parts.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : text; }

// "\\040" and the like back into bytes, as the kernel writes blanks in these files.
std::string unmangled(std::string_view field) {
  const std::unique_ptr<char, decltype(&::free)> bytes(mnt_unmangle(std::string(field).c_str()),
                                                       ::free);
  if (bytes == nullptr) throw std::bad_alloc();
  return bytes.get();
}

// A line that libmount does not understand, or has no memory for, ends the reading: without it a
// device that is mounted would look free.
int stop_reading(libmnt_table* /*table*/, const char* /*name*/, int /*line*/) { return -1; }

std::vector<DeviceNumber> btrfs_pool_of(DeviceNumber member) {
  const std::string root = "/sys/fs/btrfs";
  for (const std::string& uuid : list_names(root)) {
    std::vector<DeviceNumber> pool;
    const std::string devices = join_path(join_path(root, uuid), "devices");
    for (const std::string& name : list_names(devices)) {
      if (const auto number = device_number_of(join_path(devices, name))) {
        pool.push_back(*number);
      }
    }
    if (std::find(pool.begin(), pool.end(), member) != pool.end()) {
      return pool;
    }
  }
  return {member};
}

}  // namespace

Result<std::vector<Mount>> parse_mountinfo(std::string text) {
  std::vector<Mount> mounts;
  if (text.empty()) return mounts;
  const auto nonsense = [] {
    return fail(Errc::kIo, "/proc/self/mountinfo has an invalid line",
                "see which: findmnt --kernel");
  };
  const std::unique_ptr<FILE, decltype(&std::fclose)> stream(
      ::fmemopen(text.data(), text.size(), "r"), std::fclose);
  const std::unique_ptr<libmnt_table, decltype(&mnt_unref_table)> table(mnt_new_table(),
                                                                        mnt_unref_table);
  const std::unique_ptr<libmnt_iter, decltype(&mnt_free_iter)> position(
      mnt_new_iter(MNT_ITER_FORWARD), mnt_free_iter);
  if (stream == nullptr || table == nullptr || position == nullptr) throw std::bad_alloc();
  mnt_table_set_parser_errcb(table.get(), stop_reading);
  if (mnt_table_parse_stream(table.get(), stream.get(), "/proc/self/mountinfo") != 0) {
    return nonsense();
  }
  libmnt_fs* line = nullptr;
  while (mnt_table_next_fs(table.get(), position.get(), &line) == 0) {
    if (mnt_fs_is_kernel(line) != 1) return nonsense();  // taken for a line of fstab(5)
    mounts.push_back({.id = mnt_fs_get_id(line),
                      .parent = mnt_fs_get_parent_id(line),
                      .device = mnt_fs_get_devno(line),
                      .root = text_or_empty(mnt_fs_get_root(line)),
                      .mount_point = text_or_empty(mnt_fs_get_target(line)),
                      .type = text_or_empty(mnt_fs_get_fstype(line)),
                      .source = text_or_empty(mnt_fs_get_source(line)),
                      .super_options = text_or_empty(mnt_fs_get_fs_options(line))});
  }
  return mounts;
}

std::string read_list(const std::string& path) { return read_whole(path).value_or(std::string()); }

Result<std::vector<Mount>> read_mounts(const std::string& list) {
  return read_mounts_in(AT_FDCWD, list);
}

Result<std::vector<Mount>> read_mounts_in(int folder, const std::string& list) {
  BLKREWIND_ASSIGN(std::string text, read_whole(list, folder));
  return parse_mountinfo(std::move(text));
}

// Not by libmount: it takes " (deleted)" off a path, also where that is the end of the file's name.
Result<std::vector<Swap>> read_swaps() {
  std::vector<Swap> swaps;
  const std::string list = "/proc/swaps";
  // A kernel without swap has no such file, and no swap.
  if (::access(list.c_str(), F_OK) != 0 && ::access("/proc/self", F_OK) == 0) {
    return swaps;
  }
  BLKREWIND_ASSIGN(const std::string text, read_whole(list));
  for (const std::string_view line : split(text, "\n")) {
    const auto fields = split(line, " \t");
    if (fields.empty() || !fields[0].starts_with('/')) {
      continue;  // the heading
    }
    Swap swap;
    swap.path = unmangled(fields[0]);
    swap.is_file = fields.size() > 1 && fields[1] == "file";
    // Else deleted, or of another mount namespace, where the path may be another file as well.
    struct stat file {};
    if (::stat(swap.path.c_str(), &file) == 0 && S_ISBLK(file.st_mode) == !swap.is_file) {
      swap.visible = true;
      if (S_ISBLK(file.st_mode)) {
        swap.device = file.st_rdev;
      } else {
        swap.file = {.device = file.st_dev, .inode = file.st_ino};
      }
    }
    swaps.push_back(std::move(swap));
  }
  return swaps;
}

std::vector<DeviceNumber> devices_under(const Mount& mount) {
  if (major(mount.device) != 0) {
    return {mount.device};
  }
  if (mount.type == "btrfs") {
    const auto member = block_device_at(mount.source);
    return member ? btrfs_pool_of(*member) : std::vector<DeviceNumber>();
  }
  std::vector<DeviceNumber> devices;
  if (mount.type == "bcachefs") {  // its source lists the members: /dev/a:/dev/b
    for (const std::string_view member : split(mount.source, ":")) {
      if (const auto number = block_device_at(std::string(member))) {
        devices.push_back(*number);
      }
    }
  }
  return devices;
}

std::string option_value(const std::string& options, const std::string& key) {
  const std::string padded = "," + options;
  const std::size_t at = padded.find("," + key + "=");
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t begin = at + key.size() + 2;
  return padded.substr(begin, padded.find(',', begin) - begin);
}

}  // namespace blkrewind::host
