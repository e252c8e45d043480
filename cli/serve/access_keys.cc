#include "cli/serve/access_keys.h"

#include <algorithm>
#include <utility>

#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

constexpr std::size_t kIdBytesMax = 128;
constexpr std::size_t kSecretBytesMax = 256;
constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  const std::size_t end = text.find_last_not_of(kBlanks) + 1;
  return begin < end ? text.substr(begin, end - begin) : std::string_view{};
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

bool is_secret(std::string_view text) {
  return !text.empty() && text.size() <= kSecretBytesMax && is_visible_ascii(text);
}

}  // namespace

Result<AccessKeys> AccessKeys::load(const std::string& path) {
  BLKREWIND_ASSIGN(const auto text,
                   read_secret_file(path, {.what = "the access keys",
                                           .kind = "a file of lines \"ACCESS_KEY_ID SECRET\"",
                                           .bytes_max = kAccessKeyFileBytesMax}));
  return parse(text->view(), path);
}

Result<AccessKeys> AccessKeys::parse(std::string_view text, const std::string& name) {
  AccessKeys keys;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::string where = "line " + std::to_string(number) + " of " + name;
    const std::size_t blank = std::min(line.find_first_of(kBlanks), line.size());
    const std::string_view id = line.substr(0, blank);
    const std::string_view secret = trimmed(line.substr(blank));
    if (!is_id(id) || !is_secret(secret)) {
      return fail(Errc::kInvalidArgument, where + " is not \"ACCESS_KEY_ID SECRET\"",
                  "an id is letters, digits and \"-._\", a secret visible characters without a "
                  "blank");
    }
    if (!keys.secrets_.try_emplace(std::string(id), secret).second) {
      return fail(Errc::kInvalidArgument, where + " has an access key that came before",
                  "give each access key one secret");
    }
  }
  if (keys.secrets_.empty()) {
    return fail(Errc::kInvalidArgument, "there is no access key in " + name,
                "write a line \"ACCESS_KEY_ID SECRET\" into it");
  }
  return keys;
}

std::optional<std::string_view> AccessKeys::find(std::string_view access_key_id) const {
  const auto found = secrets_.find(access_key_id);
  if (found == secrets_.end()) return std::nullopt;
  return found->second.view();
}

}  // namespace blkrewind::serve
