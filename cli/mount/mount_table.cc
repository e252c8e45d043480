#include "cli/mount/mount_table.h"

#include <sys/sysmacros.h>

#include <charconv>
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

// "7:3"
bool read_device(const std::string& text, dev_t& device) {
  unsigned first = 0;
  unsigned second = 0;
  const char* const end = text.data() + text.size();
  const auto [colon, error] = std::from_chars(text.data(), end, first);
  if (error != std::errc{} || colon == end || *colon != ':') return false;
  const auto [last, error_after] = std::from_chars(colon + 1, end, second);
  if (error_after != std::errc{} || last != end) return false;
  device = makedev(first, second);
  return true;
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
    if (!(fields >> found.type >> found.source) || !read_device(number, found.device)) continue;
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
