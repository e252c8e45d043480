// A request signed by an independent signer is accepted, with every parameter unchanged; with any
// one byte changed it is refused.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cli/serve/signature_v3.h"
#include "unit/serve/gateway_fixture.h"
#include "unit/serve/malformed_bytes.h"

namespace blkrewind::serve {
namespace {

using test::Pairs;

// Pieces of text that some encoders get wrong.
rc::Gen<std::string> any_text() {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{"a",
                                                                 "Z",
                                                                 "0",
                                                                 "-",
                                                                 ".",
                                                                 "_",
                                                                 "~",
                                                                 " ",
                                                                 "+",
                                                                 "%",
                                                                 "&",
                                                                 "=",
                                                                 "*",
                                                                 "/",
                                                                 "?",
                                                                 "#",
                                                                 "'",
                                                                 "(",
                                                                 "!",
                                                                 ":",
                                                                 ";",
                                                                 ",",
                                                                 "\"",
                                                                 "<",
                                                                 "\\",
                                                                 "^",
                                                                 "|",
                                                                 "@",
                                                                 "%20",
                                                                 "%2",
                                                                 "\xc3\xa9",
                                                                 "\xe4\xb8\xad",
                                                                 "\xf0\x9f\x98\x80",
                                                                 "\xc2\xa0",
                                                                 "Disk.1.DiskId"});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const auto& pieces) {
    std::string text;
    for (const std::string& one : pieces) text += text.size() < 100 ? one : "";
    return text;
  });
}

// Different keys, none of them the protocol's own.
rc::Gen<Pairs> any_pairs() {
  const auto pair = rc::gen::pair(any_text(), any_text());
  return rc::gen::map(rc::gen::container<std::vector<std::pair<std::string, std::string>>>(pair),
                      [](const auto& all) {
                        std::set<std::string> keys;
                        Pairs pairs;
                        for (const auto& [key, value] : all) {
                          if (pairs.size() == 8 || !keys.insert("p" + key).second) continue;
                          pairs.emplace_back("p" + key, value);
                        }
                        return pairs;
                      });
}

RawRequest any_request(test::Signer& signer, Pairs& pairs) {
  const std::string method = *rc::gen::element<std::string>("GET", "POST");
  const bool v3 = *rc::gen::arbitrary<bool>();
  signer.bare_empty_values = v3 && *rc::gen::arbitrary<bool>();
  pairs = *any_pairs();
  const auto split = *rc::gen::inRange<std::size_t>(0, pairs.size() + 1);
  const Pairs query(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(split));
  const Pairs form(pairs.begin() + static_cast<std::ptrdiff_t>(split), pairs.end());
  if (!v3) return signer.v1(method, "ResetDisk", query, form);
  return signer.v3(method, "ResetDisk", query, form, {{"x-acs-extra", "one, two"}});
}

RC_GTEST_PROP(SignedRequests, AreAdmittedAsTheyWere, ()) {
  std::atomic<std::int64_t> now = kNow;
  Gateway gateway = make_gateway(now);
  test::Signer signer;
  signer.now = kNow;
  Pairs pairs;
  const RawRequest request = any_request(signer, pairs);
  const Admission admission = gateway.admit(request);
  if (!admission.call) RC_FAIL(admission.call.error().to_string());
  for (const auto& [key, value] : pairs) {
    RC_ASSERT(admission.call->parameters.find(key).value_or("") == value);
  }
  const std::size_t common = is_v3(request) ? 0 : 9;
  RC_ASSERT(admission.call->parameters.sorted().size() == pairs.size() + common);
}

// The parts of a request that a signature covers.
std::vector<std::string*> signed_parts(RawRequest& request) {
  std::vector<std::string*> parts = {&request.target, &request.method};
  if (!request.body.empty()) parts.push_back(&request.body);
  for (auto& [name, value] : request.headers) {
    if (is_v3(request) && name != "user-agent") parts.push_back(&value);
  }
  return parts;
}

// The same parameters encoded differently (%2f for %2F, a bare key for an empty value) are the same
// call, and equally valid.
bool is_same_call(const RawRequest& a, const RawRequest& b) {
  const auto meaning = [](const RawRequest& request) {
    Pairs query = query_pairs_of(request);
    Pairs form = pairs_of(request.body);
    std::ranges::sort(query);
    std::ranges::sort(form);
    return std::tuple(request.target.substr(0, 2), query, form);
  };
  return a.method == b.method && a.headers == b.headers && meaning(a) == meaning(b);
}

RC_GTEST_PROP(SignedRequests, WithOneByteChangedAreRefused, ()) {
  std::atomic<std::int64_t> now = kNow;
  Gateway gateway = make_gateway(now);
  test::Signer signer;
  signer.now = kNow;
  Pairs pairs;
  const RawRequest request = any_request(signer, pairs);
  RawRequest changed = request;
  std::string& part = **rc::gen::elementOf(signed_parts(changed));
  const auto at = *rc::gen::inRange<std::size_t>(0, part.size());
  part[at] = static_cast<char>(part[at] ^ *rc::gen::inRange(1, 256));
  RC_PRE(!is_same_call(request, changed));
  RC_ASSERT(!gateway.admit(changed).call);
  // And it used nothing up.
  RC_ASSERT(gateway.admit(request).call.has_value());
  RC_ASSERT(!gateway.admit(request).call);
}

}  // namespace
}  // namespace blkrewind::serve
