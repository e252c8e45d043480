#include "host/lock_holders.h"

#include <sys/stat.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "host/sysfs.h"

namespace blkrewind::host {
namespace {

bool is_number(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char digit) { return digit >= '0' && digit <= '9'; });
}

// "lock:  1: OFDLCK  ADVISORY  READ -1 fe:01:8077 42 42": the last two are its first and last byte.
bool locks_byte(const std::string& fdinfo, std::uint64_t offset) {
  std::istringstream lines(fdinfo);
  const std::string first = " " + std::to_string(offset) + " ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("lock:") && line.find(first) != std::string::npos) return true;
  }
  return false;
}

bool holds(const std::string& process, const struct stat& file, std::uint64_t offset) {
  const std::string descriptors = process + "/fd";
  for (const std::string& name : list_names(descriptors)) {
    struct stat status {};
    if (::stat((descriptors + "/" + name).c_str(), &status) != 0) continue;
    if (status.st_dev != file.st_dev || status.st_ino != file.st_ino) continue;
    if (locks_byte(read_attribute(process + "/fdinfo/" + name), offset)) return true;
  }
  return false;
}

}  // namespace

std::string lock_holders(const std::string& path, std::uint64_t offset) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return {};
  std::string found;
  for (const std::string& name : list_names("/proc")) {
    if (!is_number(name)) continue;
    const std::string process = "/proc/" + name;
    if (!holds(process, file, offset)) continue;
    found +=
        (found.empty() ? "" : ", ") + read_attribute(process + "/comm") + " (process " + name + ")";
  }
  return found;
}

}  // namespace blkrewind::host
