// Errors that the API's gateway answers with, before an action is looked at. Codes and messages (to
// the letter) are the API's, product ECS, version 2014-05-26. Two codes are ours:
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
  ApiCode code;
  std::string_view message;
};

inline constexpr ApiText kUnknownAccessKey{ApiCode::kUnknownAccessKey,
                                           "Specified access key is not found."};
// The string that was to be signed follows the message.
inline constexpr ApiText kSignatureDoesNotMatch{
    ApiCode::kSignatureDoesNotMatch,
    "Specified signature is not matched with our calculation. server string to sign is:"};
inline constexpr ApiText kIncompleteSignature{
    ApiCode::kIncompleteSignature, "The request signature does not conform to Aliyun standards."};
inline constexpr ApiText kTimestampFormat{
    ApiCode::kTimestampFormat, "Specified time stamp or date value is not well formatted."};
inline constexpr ApiText kTimestampExpired{ApiCode::kTimestampExpired,
                                           "Specified time stamp or date value is expired."};
inline constexpr ApiText kNonceUsed{ApiCode::kNonceUsed,
                                    "Specified signature nonce was used already."};
inline constexpr ApiText kInvalidVersion{ApiCode::kInvalidVersion,
                                         "Specified parameter Version is not valid."};
inline constexpr ApiText kUnknownAction{
    ApiCode::kUnknownAction, "Specified api is not found, please check your url and method."};
inline constexpr ApiText kUnsupportedMethod{ApiCode::kUnsupportedMethod,
                                            "This http method is not supported."};
inline constexpr ApiText kThrottled{ApiCode::kThrottled,
                                    "Request was denied due to user flow control."};
inline constexpr ApiText kInternalError{
    ApiCode::kInternalError, "The request processing has failed due to some unknown error."};
inline constexpr ApiText kUnavailable{ApiCode::kUnavailable,
                                      "The request has failed due to a temporary failure of the "
                                      "server."};
inline constexpr ApiText kConflict{ApiCode::kConflict, "The operation may conflicts with others."};

// kInternal from status 500 on, kNotFound for 404, else kInvalidArgument.
[[nodiscard]] Error api_error(const ApiText& text, Remedy remedy = {});

// MissingParameter, 400, with the API's message about `name`.
[[nodiscard]] Error missing_parameter(std::string_view name);
// InvalidParameter, 400, with a message of ours.
[[nodiscard]] Error invalid_parameter(std::string message, Remedy remedy = {});
// InvalidRequest, 400, with a message of ours.
[[nodiscard]] Error invalid_request(std::string message, Remedy remedy = {});

}  // namespace blkrewind::serve
