// The two forms of lists in the API: numbered keys, and JSON inside one value.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/serve/api_errors.h"
#include "cli/serve/parameters.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

// The N of "NAME.N" or, with a member, of "NAME.N.MEMBER"; nullopt for other keys.
std::optional<std::string_view> index_text(std::string_view key, std::string_view name,
                                           std::string_view member) {
  if (!key.starts_with(name)) return std::nullopt;
  key.remove_prefix(name.size());
  if (!key.starts_with('.')) return std::nullopt;
  key.remove_prefix(1);
  const std::size_t dot = key.find('.');
  const bool bare = dot == std::string_view::npos;
  if (bare != member.empty() || (!bare && key.substr(dot + 1) != member)) return std::nullopt;
  return key.substr(0, dot);
}

// 0 if it is not a number from 1 to `max`.
std::size_t index_of(std::string_view text, std::size_t max) {
  std::size_t index = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, index);
  if (error != std::errc{} || last != end || text.front() == '0' || index > max) return 0;
  return index;
}

std::string numbered(std::string_view name, std::size_t index, std::string_view member) {
  std::string key = std::string(name) + "." + std::to_string(index);
  if (!member.empty()) key += "." + std::string(member);
  return key;
}

}  // namespace

Result<std::vector<std::string>> Parameters::list(std::string_view name, std::string_view member,
                                                  std::size_t count_max) const {
  std::vector<std::pair<std::size_t, std::string_view>> found;
  for (const Parameter& one : sorted_) {
    const auto text = index_text(one.key, name, member);
    if (!text) continue;
    const std::size_t index = index_of(*text, count_max);
    if (index == 0) {
      return fail(invalid_parameter("The specified parameter \"" + one.key +
                                    "\" is not numbered from 1 to " + std::to_string(count_max) +
                                    "."));
    }
    found.emplace_back(index, one.value);
  }
  std::ranges::sort(found);
  std::vector<std::string> values;
  for (const auto& [index, value] : found) {
    const std::size_t expected = values.size() + 1;
    if (index != expected || value.empty()) {
      return fail(missing_parameter(numbered(name, expected, member)));
    }
    values.emplace_back(value);
  }
  return values;
}

Result<std::optional<std::vector<std::string>>> Parameters::json_ids(std::string_view key,
                                                                     std::size_t count_max,
                                                                     Error malformed) const {
  const auto text = find(key);
  if (!text) return std::nullopt;
  malformed.remedy = "write " + std::string(key) + " as a JSON array of at most " +
                     std::to_string(count_max) + " strings";
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_array() || json.size() > count_max) return fail(std::move(malformed));
  std::vector<std::string> ids;
  for (const auto& item : json) {
    const auto* const id = item.get_ptr<const std::string*>();
    if (id == nullptr || id->empty() || !is_plain_text(*id)) return fail(std::move(malformed));
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace blkrewind::serve
