#include "cli/serve/signature_v3.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "cli/serve/api_errors.h"
#include "cli/serve/digests.h"
#include "cli/serve/percent.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

constexpr std::string_view kAlgorithm = "ACS3-HMAC-SHA256";
constexpr std::string_view kContentHash = "x-acs-content-sha256";
// Sorted. All headers that affect the call must be signed.
constexpr std::array<std::string_view, 6> kMandatory = {
    "host", "x-acs-action", kContentHash, "x-acs-date", "x-acs-signature-nonce", "x-acs-version"};

tl::unexpected<Error> incomplete(Remedy remedy) {
  return fail(api_error(kIncompleteSignature, std::move(remedy)));
}

// Blanks and tabs around the value of a header are not part of it (RFC 9110, 5.5).
std::string_view without_blanks(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  const std::size_t end = text.find_last_not_of(" \t") + 1;
  return begin < end ? text.substr(begin, end - begin) : std::string_view{};
}

struct Header {
  std::size_t count = 0;
  std::string_view value;  // of the first, without blanks around it
};

// `name` is compared ignoring case.
Header header_of(const RawRequest& request, std::string_view name) {
  Header header;
  for (const auto& [key, value] : request.headers) {
    if (!equal_ignoring_case(key, name)) continue;
    if (header.count++ == 0) header.value = without_blanks(value);
  }
  return header;
}

struct Authorization {
  std::string_view credential;
  std::string_view signed_headers;
  std::string_view signature;
};

// Consumes "NAME=" and the text up to the next comma, or to the end.
bool take_field(std::string_view& text, std::string_view name, std::string_view& value) {
  if (!text.starts_with(name) || !text.substr(name.size()).starts_with('=')) return false;
  text.remove_prefix(name.size() + 1);
  value = text.substr(0, text.find(','));
  text.remove_prefix(value.size());
  return !value.empty();
}

bool take_comma(std::string_view& text) {
  if (!text.starts_with(',')) return false;
  text = without_blanks(text.substr(1));
  return true;
}

std::optional<Authorization> parse_authorization(std::string_view text) {
  Authorization result;
  if (!text.starts_with(kAlgorithm) || !text.substr(kAlgorithm.size()).starts_with(' ')) {
    return std::nullopt;
  }
  text = without_blanks(text.substr(kAlgorithm.size()));
  const bool taken = take_field(text, "Credential", result.credential) && take_comma(text) &&
                     take_field(text, "SignedHeaders", result.signed_headers) && take_comma(text) &&
                     take_field(text, "Signature", result.signature) && text.empty();
  if (!taken) return std::nullopt;
  return result;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Status check_names(const std::vector<std::string_view>& names) {
  const bool plain = std::ranges::all_of(names, [](std::string_view name) {
    return !name.empty() && is_visible_ascii(name) && name.find(':') == std::string_view::npos &&
           name == lower_case(name);
  });
  const bool ascending =
      std::ranges::adjacent_find(names, std::ranges::greater_equal{}) == names.end();
  if (!plain || !ascending) {
    return incomplete("write SignedHeaders in lower case, sorted, each once, with \";\" between");
  }
  for (const std::string_view mandatory : kMandatory) {
    if (!std::ranges::binary_search(names, mandatory)) {
      return incomplete("sign the header " + std::string(mandatory) + " as well");
    }
  }
  return {};
}

// The lines "name:value" of the signed headers.
Result<std::string> canonical_headers(const RawRequest& request,
                                      const std::vector<std::string_view>& names) {
  std::string lines;
  for (const std::string_view name : names) {
    const Header header = header_of(request, name);
    if (header.count != 1) {
      return incomplete("the signed header " + std::string(name) +
                        (header.count == 0 ? " is not in the request" : " is there twice"));
    }
    lines += name;
    lines += ':';
    lines += header.value;
    lines += '\n';
  }
  return lines;
}

struct CanonicalQuery {
  std::string text;
  bool has_empty_value = false;
};

CanonicalQuery canonical_query(const Parameters& parameters, bool write_equals_always) {
  CanonicalQuery query;
  for (const Parameter& one : parameters.sorted()) {
    if (!one.in_query) continue;
    if (!query.text.empty()) query.text += '&';
    append_percent_encoded(query.text, one.key);
    query.has_empty_value = query.has_empty_value || one.value.empty();
    if (one.value.empty() && !write_equals_always) continue;
    query.text += '=';
    append_percent_encoded(query.text, one.value);
  }
  return query;
}

}  // namespace

bool is_v3(const RawRequest& request) {
  return std::ranges::any_of(request.headers, [](const auto& header) {
    return equal_ignoring_case(header.first, "authorization") &&
           without_blanks(header.second).starts_with("ACS3-");
  });
}

Result<Claim> read_v3(const RawRequest& request, const Parameters& parameters) {
  for (const std::string_view name : kMandatory) {
    if (header_of(request, name).value.empty()) return fail(missing_parameter(name));
  }
  const Header header = header_of(request, "authorization");
  const auto authorization = parse_authorization(header.value);
  if (header.count != 1 || !authorization) {
    return incomplete(
        "send one header Authorization: ACS3-HMAC-SHA256 Credential=...,SignedHeaders=...,"
        "Signature=...");
  }
  const auto names = split(authorization->signed_headers, ';');
  BLKREWIND_TRY(check_names(names));
  BLKREWIND_ASSIGN(const std::string headers, canonical_headers(request, names));

  Claim claim;
  claim.scheme = Scheme::kV3;
  claim.access_key_id = authorization->credential;
  claim.signature = authorization->signature;
  claim.timestamp = header_of(request, "x-acs-date").value;
  claim.nonce = header_of(request, "x-acs-signature-nonce").value;
  claim.version = header_of(request, "x-acs-version").value;
  claim.action = header_of(request, "x-acs-action").value;

  const std::string body_hash = hex(sha256(request.body));
  const std::string rest =
      "\n" + headers + "\n" + std::string(authorization->signed_headers) + "\n" + body_hash;
  const auto sign = [&](const std::string& query) {
    const std::string canonical = request.method + "\n/\n" + query + rest;
    claim.strings_to_sign.push_back(std::string(kAlgorithm) + "\n" + hex(sha256(canonical)));
    if (claim.shown.empty()) {
      claim.shown = claim.strings_to_sign.front() + "\nof the canonical request:\n" + canonical;
    }
  };
  const CanonicalQuery query = canonical_query(parameters, true);
  sign(query.text);
  if (query.has_empty_value) sign(canonical_query(parameters, false).text);

  if (header_of(request, kContentHash).value != body_hash) {
    claim.strings_to_sign.clear();
    claim.remedy = "x-acs-content-sha256 is not the SHA-256 of the body that arrived";
  }
  return claim;
}

}  // namespace blkrewind::serve
