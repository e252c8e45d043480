#include "cli/serve/wire_checks.h"

#include <algorithm>
#include <string>

#include "cli/serve/api_errors.h"
#include "cli/serve/signature_v3.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

// Anything but control characters; a tab is a blank (RFC 9110, 5.5).
bool is_header_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

std::string_view path_of(const RawRequest& request) {
  const std::string_view target = request.target;
  return target.substr(0, target.find('?'));
}

bool is_form(const RawRequest& request) {
  constexpr std::string_view kForm = "application/x-www-form-urlencoded";
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "content-type")) continue;
    std::string_view type = std::string_view(value).substr(0, value.find(';'));
    type = type.substr(0, type.find_last_not_of(" \t") + 1);
    type.remove_prefix(std::min(type.find_first_not_of(" \t"), type.size()));
    return equal_ignoring_case(type, kForm);
  }
  return false;
}

// Of one parameter named Format, undecoded.
bool asks_for_json(std::string_view text) {
  constexpr std::string_view kKey = "Format=";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.starts_with(kKey)) return equal_ignoring_case(pair.substr(kKey.size()), "json");
  }
  return false;
}

}  // namespace

Status check_wire(const RawRequest& request) {
  if (request.method != "GET" && request.method != "POST") {
    return fail(api_error(kUnsupportedMethod, "use GET or POST"));
  }
  const auto too_long = [](const std::string& what, std::size_t max, const char* unit) {
    return fail(invalid_request("The " + what + " is longer than " + std::to_string(max) + unit));
  };
  if (request.target.size() > kTargetBytesMax) {
    return too_long("request target", kTargetBytesMax, " bytes.");
  }
  if (request.body.size() > kBodyBytesMax) return too_long("body", kBodyBytesMax, " bytes.");
  if (request.headers.size() > kHeadersMax) {
    return too_long("list of headers", kHeadersMax, ".");
  }
  for (const auto& [name, value] : request.headers) {
    if (name.size() + value.size() > kHeaderBytesMax) {
      return too_long("longest header", kHeaderBytesMax, " bytes.");
    }
    if (!is_token(name) || !is_header_value(value)) {
      return fail(invalid_request("A header is not \"name: value\"."));
    }
  }
  if (path_of(request) != "/") {
    return fail(api_error(kUnknownAction, "the API has one path, \"/\""));
  }
  return {};
}

std::string_view query_of(const RawRequest& request) {
  const std::string_view target = request.target;
  const std::size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
}

Result<std::string_view> form_of(const RawRequest& request) {
  if (request.body.empty()) return std::string_view{};
  if (is_form(request)) return std::string_view(request.body);
  return fail(invalid_request("The body is not of the type application/x-www-form-urlencoded.",
                              "send parameters in the query, or in a body of that Content-Type"));
}

Format format_at_sight(const RawRequest& request) {
  const bool json =
      is_v3(request) || asks_for_json(query_of(request)) || asks_for_json(request.body);
  return json ? Format::kJson : Format::kXml;
}

}  // namespace blkrewind::serve
