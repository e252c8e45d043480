// Requests to the HTTP endpoint: input from any client that can reach the port.
//
// A request is packed as lines: "METHOD TARGET", a line "name: value" for each header, an empty
// line, and the body, which is the rest. Signatures would reject almost all fuzzed requests, so
// every request with a signature is tested twice: as it is, and signed again with the key that it
// names.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "cli/serve/answer.h"
#include "cli/serve/api_status.h"
#include "cli/serve/claim.h"
#include "cli/serve/gateway.h"
#include "cli/serve/percent.h"
#include "cli/serve/signature_v1.h"
#include "cli/serve/signature_v3.h"
#include "cli/serve/text.h"
#include "cli/serve/timestamp.h"
#include "cli/serve/wire_checks.h"
#include "fuzz/seal.h"
#include "fuzz/targets.h"
#include "support/errors.h"

namespace blkrewind::fuzz {
namespace {

constexpr std::string_view kId = "testid";
constexpr std::string_view kSecret = "testsecret";

std::string_view text_of(Bytes input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

serve::RawRequest unpack_request(std::string_view text) {
  serve::RawRequest request;
  const std::string_view first = take_line(text);
  const std::size_t blank = std::min(first.find(' '), first.size());
  request.method = first.substr(0, blank);
  request.target = first.substr(std::min(blank + 1, first.size()));
  for (std::string_view line = take_line(text); !line.empty(); line = take_line(text)) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    request.headers.emplace_back(line.substr(0, colon),
                                 line.substr(std::min(colon + 1, line.size())));
  }
  request.body = text;
  return request;
}

serve::Gateway gateway_at(std::int64_t now) {
  serve::GatewayOptions options;
  options.actions = {"ResetDisk", "DescribeDisks"};
  options.nonces_max = 4;
  return {serve::AccessKeys::parse(std::string(kId) + " " + std::string(kSecret), "keys").value(),
          std::move(options), [now] {
            return serve::Nonces::Now{now, now};
          }};
}

// An answer that a client can read, whatever the error contains.
void check_refusal(const Error& error) {
  expect(!api_of(error).empty() && serve::http_status(error.api.value()) >= 400,
         "a refusal has a code and a status");
  const auto xml = serve::render_error(serve::Format::kXml, "ID", "host", error);
  pugi::xml_document document;
  expect(document.load_string(xml.body.c_str()), "an error is well-formed XML");
  expect(document.child("Error").child_value("Code") == api_of(error), "XML carries the code");
  const auto json = serve::render_error(serve::Format::kJson, "ID", "host", error);
  expect(!nlohmann::json::parse(json.body, nullptr, false).is_discarded(), "an error is JSON");
}

serve::Admission admit(serve::Gateway& gateway, const serve::RawRequest& request) {
  serve::Admission admission = gateway.admit(request);
  if (!admission.call) check_refusal(admission.call.error());
  return admission;
}

// As `parameters` has them, with Signature replaced; those of the query, or those of the form.
std::string written(const serve::Parameters& parameters, bool in_query,
                    const std::string& signature) {
  std::string text;
  for (const serve::Parameter& one : parameters.sorted()) {
    if (one.in_query != in_query) continue;
    if (!text.empty()) text += '&';
    serve::append_percent_encoded(text, one.key);
    text += '=';
    serve::append_percent_encoded(text, one.key == "Signature" ? signature : one.value);
  }
  return text;
}

serve::RawRequest signed_v1(serve::RawRequest request, const serve::Parameters& parameters,
                            const serve::Claim& claim) {
  const std::string signature =
      serve::signature_of(serve::Scheme::kV1, kSecret, claim.strings_to_sign.front());
  request.target = "/?" + written(parameters, true, signature);
  if (!request.body.empty()) request.body = written(parameters, false, signature);
  return request;
}

serve::RawRequest signed_v3(serve::RawRequest request, const serve::Claim& claim) {
  const std::string signature =
      serve::signature_of(serve::Scheme::kV3, kSecret, claim.strings_to_sign.back());
  for (auto& [name, value] : request.headers) {
    if (!serve::equal_ignoring_case(name, "authorization")) continue;
    value.replace(value.rfind(claim.signature), claim.signature.size(), signature);
  }
  return request;
}

bool same_parameters(const serve::Parameters& a, const serve::Parameters& b) {
  return std::ranges::equal(a.sorted(), b.sorted(), [](const auto& one, const auto& other) {
    return one.key == other.key && (one.value == other.value || one.key == "Signature");
  });
}

// A correctly signed request reaches the check of its version and action, and only once.
void check_signed(const serve::RawRequest& request, const serve::Parameters& parameters,
                  const serve::Claim& claim) {
  const auto timestamp = serve::parse_timestamp(claim.timestamp);
  if (!timestamp || claim.access_key_id != kId || claim.strings_to_sign.empty()) return;
  // A signature cannot cover itself.
  if (claim.shown.find("\nauthorization:") != std::string::npos) return;
  const bool v3 = claim.scheme == serve::Scheme::kV3;
  const serve::RawRequest again =
      v3 ? signed_v3(request, claim) : signed_v1(request, parameters, claim);
  // Fully encoded, it may be longer than a request can be.
  if (!serve::check_wire(again)) return;
  serve::Gateway gateway = gateway_at(*timestamp);
  const auto admission = admit(gateway, again);
  if (admission.call) {
    expect(same_parameters(admission.call->parameters, parameters), "every parameter is kept");
    expect(admission.action == claim.action, "an action is the one that was signed");
  } else {
    const std::string& code = api_of(admission.call.error());
    expect(code == "InvalidVersion" || code == "InvalidAction.NotFound",
           "a right signature is accepted");
  }
  const auto twice = admit(gateway, again);
  expect(!twice.call && api_of(twice.call.error()) == "SignatureNonceUsed",
         "a request is heard once");
}

}  // namespace

void http_request(Bytes input) {
  const serve::RawRequest request = unpack_request(text_of(input));
  serve::Gateway gateway = gateway_at(1456231584);
  const auto admission = admit(gateway, request);
  if (!serve::check_wire(request)) return expect(!admission.call, "no request, no call");
  const auto form = serve::form_of(request);
  if (!form) return expect(!admission.call, "no form, no call");
  const auto parameters = serve::Parameters::parse(serve::query_of(request), *form);
  if (!parameters) return expect(!admission.call, "no parameters, no call");
  const bool v3 = serve::is_v3(request);
  const auto claim =
      v3 ? serve::read_v3(request, *parameters) : serve::read_v1(request.method, *parameters);
  if (!claim) return expect(!admission.call, "no claim, no call");
  // Format is checked before the signature.
  const bool odd_format =
      !admission.call && admission.call.error().message.find("\"Format\"") != std::string::npos;
  if (!odd_format) check_signed(request, *parameters, *claim);
}

void http_parameters(Bytes input) {
  std::string_view form = text_of(input);
  const std::string_view query = take_line(form);
  const auto parameters = serve::Parameters::parse(query, form);
  if (!parameters) return check_refusal(parameters.error());
  const auto again =
      serve::Parameters::parse(written(*parameters, true, "x"), written(*parameters, false, "x"));
  expect(again && same_parameters(*parameters, *again), "what is written out reads the same");
  for (const serve::Parameter& one : parameters->sorted()) {
    expect(parameters->find(one.key).value_or("") == one.value, "every parameter is found");
    const auto number = parameters->number(one.key, 0, 100, 7);
    expect(!number || *number <= 100, "a number is in its range");
    expect(!one.value.empty() || parameters->boolean(one.key, true).value_or(false),
           "an empty value counts as left out");
    Error malformed;
    const auto ids = parameters->json_ids(one.key, 100, std::move(malformed));
    expect(!ids || !*ids || (*ids)->size() <= 100, "no more ids than were asked for");
  }
  for (const char* member : {"DiskId", ""}) {
    const auto list = parameters->list("Disk", member, 10);
    if (!list) check_refusal(list.error());
    expect(!list || list->size() <= 10, "a list is no longer than it may be");
    expect(!list || std::ranges::none_of(*list, &std::string::empty), "no item is empty");
  }
}

}  // namespace blkrewind::fuzz
