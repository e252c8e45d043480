#include "cli/mount/mount_table.h"

#include <sys/sysmacros.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

namespace blkrewind::cli {
namespace {

// Blanks and backslashes are \ and three octal digits.
std::string unescaped(const std::string& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return at < field.size() && field[at] >= '0' && field[at] <= '7' ? field[at] - '0' : -1;
    };
    if (field[i] == '\\' && digit(i + 1) >= 0 && digit(i + 2) >= 0 && digit(i + 3) >= 0) {
      text += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

}  // namespace

std::vector<MountLine> parse_mount_table(const std::string& text) {
  std::vector<MountLine> lines;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) {
    std::istringstream fields(line);
    std::string id;
    std::string parent;
    std::string number;
    std::string root;
    MountLine found;
    fields >> id >> parent >> number >> root >> found.point;
    std::string field;
    while (fields >> field && field != "-") {
    }
    unsigned major_number = 0;
    unsigned minor_number = 0;
    if (!(fields >> found.type >> found.source) ||
        std::sscanf(number.c_str(), "%u:%u", &major_number, &minor_number) != 2) {
      continue;
    }
    found.device = makedev(major_number, minor_number);
    found.point = unescaped(found.point);
    found.source = unescaped(found.source);
    lines.push_back(std::move(found));
  }
  return lines;
}

Result<std::vector<MountLine>> mount_table() {
  std::ifstream file("/proc/self/mountinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) {
    return fail(Errc::kIo, "cannot read /proc/self/mountinfo", "mount /proc");
  }
  return parse_mount_table(text);
}

}  // namespace blkrewind::cli
