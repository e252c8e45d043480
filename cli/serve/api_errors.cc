#include "cli/serve/api_errors.h"

#include <utility>

#include "cli/serve/api_status.h"

namespace blkrewind::serve {

Error api_error(const ApiText& text, Remedy remedy) {
  Error error;
  const int status = http_status(text.code);
  error.code = status >= 500   ? Errc::kInternal
               : status == 404 ? Errc::kNotFound
                               : Errc::kInvalidArgument;
  error.api = text.code;
  error.message = text.message;
  error.remedy = std::move(remedy);
  return error;
}

Error missing_parameter(std::string_view name) {
  return api_error({ApiCode::kMissingParameter,
                    "The input parameter \"" + std::string(name) +
                        "\" that is mandatory for processing this request is not supplied."});
}

Error invalid_parameter(std::string message, Remedy remedy) {
  return api_error({ApiCode::kInvalidParameter, message}, std::move(remedy));
}

Error invalid_request(std::string message, Remedy remedy) {
  return api_error({ApiCode::kInvalidRequest, message}, std::move(remedy));
}

}  // namespace blkrewind::serve
