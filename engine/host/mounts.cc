#include "host/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/fd.h"

namespace blkrewind::host {
namespace {

// These files are larger than any attribute, and may be cut anywhere: read to the end.
Result<std::string> read_whole(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
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

template <class Number>
bool parse(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

// Fields, proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-",
// type, source, super options.
bool parse_line(std::string_view line, Mount& mount) {
  const auto fields = split(line, " ");
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 9 || dash - fields.begin() < 6 || fields.end() - dash < 3) {
    return false;
  }
  const auto numbers = split(fields[2], ":");
  unsigned major_number = 0;
  unsigned minor_number = 0;
  if (!parse(fields[0], mount.id) || numbers.size() != 2 || !parse(numbers[0], major_number) ||
      !parse(numbers[1], minor_number)) {
    return false;
  }
  mount.device = makedev(major_number, minor_number);
  mount.mount_point = unescape_octal(fields[4]);
  mount.type = dash[1];
  mount.source = unescape_octal(dash[2]);
  mount.super_options = fields.end() - dash > 3 ? unescape_octal(dash[3]) : std::string();
  return true;
}

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

std::string unescape_octal(std::string_view text) {
  const auto digit = [&text](std::size_t at) {
    return at < text.size() && text[at] >= '0' && text[at] <= '7' ? text[at] - '0' : -1;
  };
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && digit(at + 1) >= 0 && digit(at + 2) >= 0 && digit(at + 3) >= 0) {
      bytes.push_back(static_cast<char>(digit(at + 1) * 64 + digit(at + 2) * 8 + digit(at + 3)));
      at += 3;
    } else {
      bytes.push_back(text[at]);
    }
  }
  return bytes;
}

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (const std::string_view line : split(text, "\n")) {
    if (Mount mount; parse_line(line, mount)) {
      mounts.push_back(std::move(mount));
    }
  }
  return mounts;
}

std::string read_list(const std::string& path) { return read_whole(path).value_or(std::string()); }

Result<std::vector<Mount>> read_mounts() {
  BLKREWIND_ASSIGN(const std::string text, read_whole("/proc/self/mountinfo"));
  return parse_mountinfo(text);
}

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
    swap.path = unescape_octal(fields[0]);
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

}  // namespace blkrewind::host
