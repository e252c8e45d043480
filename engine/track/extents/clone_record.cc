#include "track/extents/clone_record.h"

#include <algorithm>
#include <charconv>

namespace blkrewind::track {
namespace {

constexpr std::string_view kTitle = "blkrewind clone 1\n";
constexpr std::size_t kMaxTextBytes = 512;

// Control characters would corrupt the output of a terminal, and end the line.
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

void add(std::string& text, std::string_view key, std::string_view value) {
  text.append(key).append("=");
  const std::size_t begin = text.size();
  text.append(value.substr(0, kMaxTextBytes));
  std::replace_if(text.begin() + static_cast<std::ptrdiff_t>(begin), text.end(), is_control, ' ');
  text.append("\n");
}

template <class Number>
void add_number(std::string& text, std::string_view key, Number value) {
  add(text, key, std::to_string(value));
}

// Consumes lines from the front, in the order in which they were written; records whether one is
// missing.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  std::string text(std::string_view key) {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos || !rest_.starts_with(key) || key.size() >= end ||
        rest_[key.size()] != '=') {
      good_ = false;
      return {};
    }
    std::string value(rest_.substr(key.size() + 1, end - key.size() - 1));
    rest_.remove_prefix(end + 1);
    if (value.size() > kMaxTextBytes || std::ranges::any_of(value, is_control)) good_ = false;
    return value;
  }

  template <class Number>
  Number number(std::string_view key) {
    const std::string digits = text(key);
    Number value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) good_ = false;
    return value;
  }

  [[nodiscard]] bool good_to_the_end() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string encode(const CloneRecord& record) {
  std::string text(kTitle);
  add(text, "store", record.store_uuid);
  add(text, "disk", record.disk_id);
  add(text, "base", record.base);
  add(text, "why", record.why);
  add_number(text, "of_writing", record.of_writing ? 1 : 0);
  add_number(text, "image_inode", record.image_inode);
  add_number(text, "image_generation", record.image_generation);
  add_number(text, "offset", record.range.offset);
  add_number(text, "length", record.range.length);
  add_number(text, "inode", record.inode);
  add_number(text, "modified_ns", record.modified_ns);
  return text;
}

std::optional<CloneRecord> decode_record(std::string_view text) {
  if (!text.starts_with(kTitle)) return std::nullopt;
  Lines lines(text.substr(kTitle.size()));
  CloneRecord record;
  record.store_uuid = lines.text("store");
  record.disk_id = lines.text("disk");
  record.base = lines.text("base");
  record.why = lines.text("why");
  record.of_writing = lines.number<std::uint32_t>("of_writing") != 0;
  record.image_inode = lines.number<std::uint64_t>("image_inode");
  record.image_generation = lines.number<std::uint32_t>("image_generation");
  record.range.offset = lines.number<std::uint64_t>("offset");
  record.range.length = lines.number<std::uint64_t>("length");
  record.inode = lines.number<std::uint64_t>("inode");
  record.modified_ns = lines.number<std::int64_t>("modified_ns");
  if (!lines.good_to_the_end()) return std::nullopt;
  return record;
}

}  // namespace blkrewind::track
