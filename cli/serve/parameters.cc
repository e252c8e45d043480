#include "cli/serve/parameters.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "cli/serve/api_errors.h"
#include "cli/serve/percent.h"
#include "cli/serve/request.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

tl::unexpected<Error> refuse(std::string message, Remedy remedy = {}) {
  return fail(invalid_parameter(std::move(message), std::move(remedy)));
}

// `where` is "query" or "form".
Result<Parameter> decode_pair(std::string_view pair, const std::string& where) {
  const std::size_t equals = std::min(pair.find('='), pair.size());
  const std::size_t value_at = std::min(equals + 1, pair.size());
  auto key = percent_decode(pair.substr(0, equals));
  auto value = percent_decode(pair.substr(value_at));
  if (!key || !value) {
    return refuse("The " + where + " has a \"%\" without two hexadecimal digits behind it.",
                  "write a percent sign as %25");
  }
  if (key->empty()) return refuse("The " + where + " has a parameter without a name.");
  if (key->size() > kKeyBytesMax) {
    return refuse("The " + where + " has a parameter whose name is longer than " +
                  std::to_string(kKeyBytesMax) + " bytes.");
  }
  if (!is_plain_text(*key)) {
    return refuse("The " + where +
                  " has a parameter whose name is not UTF-8, or has control characters.");
  }
  if (value->size() > kValueBytesMax) {
    return refuse("The specified parameter " + in_quotes(*key) + " is longer than " +
                  std::to_string(kValueBytesMax) + " bytes.");
  }
  if (!is_plain_text(*value)) {
    return refuse("The specified parameter " + in_quotes(*key) +
                  " is not UTF-8, or has control characters.");
  }
  return Parameter{std::move(*key), std::move(*value), where == "query"};
}

Status append_pairs(std::string_view text, const std::string& where,
                    std::vector<Parameter>& parameters) {
  if (!is_visible_ascii(text) || text.find('#') != std::string_view::npos) {
    return refuse("The " + where + " has bytes that must be percent-encoded.");
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    if (parameters.size() == kParametersMax) {
      return refuse("The request has more than " + std::to_string(kParametersMax) + " parameters.");
    }
    BLKREWIND_ASSIGN(Parameter parameter, decode_pair(pair, where));
    parameters.push_back(std::move(parameter));
  }
  return {};
}

// All of `text`, in plain decimal: no sign, no blank, no leading zero.
std::optional<std::uint64_t> plain_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || last != end) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

}  // namespace

Result<Parameters> Parameters::parse(std::string_view query, std::string_view form) {
  Parameters result;
  BLKREWIND_TRY(append_pairs(query, "query", result.sorted_));
  BLKREWIND_TRY(append_pairs(form, "form", result.sorted_));
  std::ranges::sort(result.sorted_, {}, &Parameter::key);
  const auto twice = std::ranges::adjacent_find(result.sorted_, {}, &Parameter::key);
  if (twice != result.sorted_.end()) {
    return refuse("The specified parameter " + in_quotes(twice->key) + " is supplied twice.",
                  "send each parameter once, in the query or in the form");
  }
  return result;
}

std::optional<std::string_view> Parameters::find(std::string_view key) const {
  const auto found = std::ranges::lower_bound(
      sorted_, key, {}, [](const Parameter& one) { return std::string_view(one.key); });
  if (found == sorted_.end() || found->key != key || found->value.empty()) return std::nullopt;
  return found->value;
}

Result<std::string> Parameters::need(std::string_view key) const {
  const auto value = find(key);
  if (!value) return fail(missing_parameter(key));
  return std::string(*value);
}

Result<bool> Parameters::boolean(std::string_view key, bool otherwise) const {
  const auto value = find(key);
  if (!value) return otherwise;
  if (equal_ignoring_case(*value, "true")) return true;
  if (equal_ignoring_case(*value, "false")) return false;
  return refuse("The specified parameter " + in_quotes(key) + " is neither true nor false.");
}

Result<std::uint64_t> Parameters::number(std::string_view key, std::uint64_t min, std::uint64_t max,
                                         std::uint64_t otherwise) const {
  const auto text = find(key);
  if (!text) return otherwise;
  const auto value = plain_number(*text);
  if (value && *value >= min && *value <= max) return *value;
  return refuse("The specified parameter " + in_quotes(key) + " is not a number from " +
                std::to_string(min) + " to " + std::to_string(max) + ".");
}

}  // namespace blkrewind::serve
