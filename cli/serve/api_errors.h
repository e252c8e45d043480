// Errors that the API's gateway answers with, before an action is looked at. Codes, messages (to
// the letter) and HTTP statuses are the API's, product ECS, version 2014-05-26. Two codes are ours:
// InvalidRequest for what is wrong with the HTTP request itself, and InvalidParameter with a
// message that says what is wrong with which parameter.
//
// Any thread; nothing is kept.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"

namespace blkrewind::serve {

struct ApiText {
  std::string_view code;
  int http_status;
  std::string_view message;
};

inline constexpr ApiText kUnknownAccessKey{"InvalidAccessKeyId.NotFound", 404,
                                           "Specified access key is not found."};
// The string that was to be signed follows the message.
inline constexpr ApiText kSignatureDoesNotMatch{
    "SignatureDoesNotMatch", 400,
    "Specified signature is not matched with our calculation. server string to sign is:"};
inline constexpr ApiText kIncompleteSignature{
    "IncompleteSignature", 400, "The request signature does not conform to Aliyun standards."};
inline constexpr ApiText kTimestampFormat{
    "InvalidTimeStamp.Format", 400, "Specified time stamp or date value is not well formatted."};
inline constexpr ApiText kTimestampExpired{"InvalidTimeStamp.Expired", 400,
                                           "Specified time stamp or date value is expired."};
inline constexpr ApiText kNonceUsed{"SignatureNonceUsed", 400,
                                    "Specified signature nonce was used already."};
inline constexpr ApiText kInvalidVersion{"InvalidVersion", 400,
                                         "Specified parameter Version is not valid."};
inline constexpr ApiText kUnknownAction{
    "InvalidAction.NotFound", 404, "Specified api is not found, please check your url and method."};
inline constexpr ApiText kUnsupportedMethod{"UnsupportedHTTPMethod", 403,
                                            "This http method is not supported."};
inline constexpr ApiText kThrottled{"Throttling.User", 400,
                                    "Request was denied due to user flow control."};
inline constexpr ApiText kInternalError{
    "InternalError", 500, "The request processing has failed due to some unknown error."};
inline constexpr ApiText kUnavailable{"ServiceUnavailable", 503,
                                      "The request has failed due to a temporary failure of the "
                                      "server."};
inline constexpr ApiText kConflict{"Operation.Conflict", 403,
                                   "The operation may conflicts with others."};

// kInternal from status 500 on, kNotFound for 404, else kInvalidArgument.
[[nodiscard]] Error api_error(const ApiText& text, std::string hint = {});

// MissingParameter, 400, with the API's message about `name`.
[[nodiscard]] Error missing_parameter(std::string_view name);
// InvalidParameter, 400, with a message of ours.
[[nodiscard]] Error invalid_parameter(std::string message, std::string hint = {});
// InvalidRequest, 400, with a message of ours.
[[nodiscard]] Error invalid_request(std::string message, std::string hint = {});

}  // namespace blkrewind::serve
