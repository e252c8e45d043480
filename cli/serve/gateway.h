// The gateway of the API: turns a raw request into an authenticated call, which is fresh and not a
// replay.
//
// Checked in this order, and the first failure is the answer:
//
//    1  method                  GET or POST: UnsupportedHTTPMethod
//    2  limits                  request.h; malformed headers: InvalidRequest
//    3  target                  "/", with or without a query: InvalidAction.NotFound
//    4  parameters              parameters.h; a body that is not a form: InvalidParameter,
//                               InvalidRequest
//    5  completeness            MissingParameter, IncompleteSignature
//    6  timestamp               InvalidTimeStamp.Format, InvalidTimeStamp.Expired
//    7  access key              InvalidAccessKeyId.NotFound
//    8  signature               SignatureDoesNotMatch
//    9  nonce                   SignatureNonceUsed, Throttling.User; only an authentic
//                               request uses one up
//   10  version, action         InvalidVersion, InvalidAction.NotFound
//
// The meaning of a call, and whether it is allowed, is decided behind the gateway.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "cli/serve/access_keys.h"
#include "cli/serve/claim.h"
#include "cli/serve/nonces.h"
#include "cli/serve/parameters.h"
#include "cli/serve/request.h"

namespace blkrewind::serve {

// Maximum length of the string to sign in a refusal, in bytes.
inline constexpr std::size_t kShownBytesMax = 4096;

struct Call {
  std::string action;  // one of the known actions
  Format format = Format::kXml;
  Parameters parameters;
  std::string access_key_id;
};

struct Admission {
  Format format = Format::kXml;  // of the answer, also for an error
  // For logs and counters: one of the known actions, or empty; never the client's own text.
  std::string action;
  Result<Call> call;
};

struct GatewayOptions {
  std::string version = "2014-05-26";
  std::vector<std::string> actions;  // the known actions
  // Authentic requests within half an hour: those with timestamps up to 15 minutes before or after
  // now. About 50 bytes each.
  std::size_t nonces_max = 65536;
};

class Gateway {
 public:
  // `clock` returns the time; called by any thread.
  Gateway(AccessKeys keys, GatewayOptions options, std::function<Nonces::Now()> clock);

  // Any thread.
  [[nodiscard]] Admission admit(const RawRequest& request);

 private:
  [[nodiscard]] Status check_claim(const Claim& claim);
  [[nodiscard]] bool knows(std::string_view action) const;

  const AccessKeys keys_;
  const GatewayOptions options_;
  const std::function<Nonces::Now()> clock_;
  Nonces nonces_;
};

}  // namespace blkrewind::serve
