#include "cli/serve/api_errors.h"

#include <utility>

namespace blkrewind::serve {

Error api_error(const ApiText& text, std::string hint) {
  Error error;
  error.code = text.http_status >= 500   ? Errc::kInternal
               : text.http_status == 404 ? Errc::kNotFound
                                         : Errc::kInvalidArgument;
  error.api_code = text.code;
  error.http_status = text.http_status;
  error.message = text.message;
  error.hint = std::move(hint);
  return error;
}

Error missing_parameter(std::string_view name) {
  return api_error({"MissingParameter", 400,
                    "The input parameter \"" + std::string(name) +
                        "\" that is mandatory for processing this request is not supplied."});
}

Error invalid_parameter(std::string message, std::string hint) {
  return api_error({"InvalidParameter", 400, message}, std::move(hint));
}

Error invalid_request(std::string message, std::string hint) {
  return api_error({"InvalidRequest", 400, message}, std::move(hint));
}

}  // namespace blkrewind::serve
