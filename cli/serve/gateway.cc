#include "cli/serve/gateway.h"

#include <algorithm>
#include <utility>

#include "cli/serve/api_errors.h"
#include "cli/serve/signature_v1.h"
#include "cli/serve/signature_v3.h"
#include "cli/serve/text.h"
#include "cli/serve/timestamp.h"
#include "cli/serve/wire_checks.h"

namespace blkrewind::serve {
namespace {

// V3 answers JSON. V1 answers XML unless Format says otherwise, ignoring case.
Result<Format> format_of(bool v3, const Parameters& parameters) {
  if (v3) return Format::kJson;
  const auto format = parameters.find("Format");
  if (!format || equal_ignoring_case(*format, "xml")) return Format::kXml;
  if (equal_ignoring_case(*format, "json")) return Format::kJson;
  return fail(invalid_parameter("The specified parameter \"Format\" is neither JSON nor XML."));
}

Result<Parameters> parameters_of(const RawRequest& request) {
  BLKREWIND_TRY(check_wire(request));
  BLKREWIND_ASSIGN(const std::string_view form, form_of(request));
  return Parameters::parse(query_of(request), form);
}

Error mismatch(const Claim& claim) {
  Error error = api_error(kSignatureDoesNotMatch, claim.remedy);
  error.message += cut(claim.shown, kShownBytesMax);
  return error;
}

Status to_status(Nonces::Verdict verdict) {
  switch (verdict) {
    case Nonces::Verdict::kFresh:
      return {};
    case Nonces::Verdict::kUsed:
      return fail(api_error(kNonceUsed, "sign each request with a nonce of its own"));
    case Nonces::Verdict::kExpired:
      return fail(api_error(kTimestampExpired));
    case Nonces::Verdict::kFull:
      return fail(api_error(kThrottled, "wait a while"));
  }
  return fail(api_error(kInternalError));
}

}  // namespace

Gateway::Gateway(AccessKeys keys, GatewayOptions options, std::function<Nonces::Now()> clock)
    : keys_(std::move(keys)),
      options_(std::move(options)),
      clock_(std::move(clock)),
      nonces_(options_.nonces_max) {}

bool Gateway::knows(std::string_view action) const {
  return std::ranges::find(options_.actions, action) != options_.actions.end();
}

Status Gateway::check_claim(const Claim& claim) {
  const auto timestamp = parse_timestamp(claim.timestamp);
  if (!timestamp) {
    return fail(api_error(kTimestampFormat, "write the time as yyyy-MM-ddTHH:mm:ssZ, in UTC"));
  }
  const Nonces::Now now = clock_();
  if (*timestamp < now.wall - kTimestampWindowSeconds ||
      *timestamp > now.wall + kTimestampWindowSeconds) {
    return fail(api_error(kTimestampExpired, "set the clock of the client right"));
  }
  const auto secret = keys_.find(claim.access_key_id);
  if (!secret) return fail(api_error(kUnknownAccessKey));
  if (!is_signed_with(claim, *secret)) return fail(mismatch(claim));
  BLKREWIND_TRY(to_status(nonces_.use(claim.access_key_id, claim.nonce, *timestamp, now)));
  if (claim.version != options_.version) {
    return fail(api_error(kInvalidVersion, "ask for version " + options_.version));
  }
  if (!knows(claim.action)) return fail(api_error(kUnknownAction));
  return {};
}

Admission Gateway::admit(const RawRequest& request) {
  Admission admission;
  admission.format = format_at_sight(request);
  const auto refuse = [&](Error error) {
    admission.call = fail(std::move(error));
    return std::move(admission);
  };
  auto parameters = parameters_of(request);
  if (!parameters) return refuse(std::move(parameters).error());
  const bool v3 = is_v3(request);
  const auto format = format_of(v3, *parameters);
  if (!format) return refuse(format.error());
  admission.format = *format;
  const auto claim = v3 ? read_v3(request, *parameters) : read_v1(request.method, *parameters);
  if (!claim) return refuse(claim.error());
  if (knows(claim->action)) admission.action = claim->action;
  if (auto checked = check_claim(*claim); !checked) return refuse(std::move(checked).error());
  admission.call = Call{claim->action, *format, *std::move(parameters), claim->access_key_id};
  return admission;
}

}  // namespace blkrewind::serve
