#include "cli/errors.h"

#include <csignal>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/json.h"
#include "cli/output.h"

namespace blkrewind::cli {

int exit_status(const Error& error, int signal) {
  switch (error.code) {
    case Errc::kInvalidArgument:
      return kExitUsage;
    case Errc::kNotFound:
    case Errc::kAlreadyExists:
    case Errc::kPrecondition:
      return kExitPrecondition;
    case Errc::kIo:
    case Errc::kNoSpace:
    case Errc::kUnsupported:
    case Errc::kInternal:
      return kExitIo;
    case Errc::kIntegrity:
      return kExitIntegrity;
    case Errc::kBusy:
      return kExitBusy;
    case Errc::kCancelled:
      return 128 + (signal != 0 ? signal : SIGINT);
  }
  return kExitIo;
}

std::string error_code(const Error& error) {
  return error.api_code.empty() ? std::string(to_string(error.code)) : error.api_code;
}

std::string error_text(const Error& error) {
  std::string text = "blkrewind: " + error_code(error) + ": " + printable(error.message);
  std::string detail;
  if (error.extent) detail += " " + blkrewind::to_string(*error.extent);
  if (error.sys_errno != 0) {
    detail += ": " + std::generic_category().message(error.sys_errno) + " (errno " +
              std::to_string(error.sys_errno) + ")";
  }
  if (error.api_code.empty()) {
    text += detail;
  } else if (!detail.empty()) {
    text += "\n  at" + detail;
  }
  for (const std::string& step : error.context) {
    // A step may or may not bring its own "while".
    text += step.starts_with("while ") ? "\n  " : "\n  while ";
    text += printable(step);
  }
  if (!error.hint.empty()) text += "\n  hint: " + printable(error.hint);
  return text + "\n";
}

std::string error_json(const Error& error) {
  Json json;
  json["code"] = error_code(error);
  json["message"] = error.message;
  json["errno"] = error.sys_errno != 0 ? Json(error.sys_errno) : Json(nullptr);
  json["extent"] = error.extent ? json_of(*error.extent) : Json(nullptr);
  json["hint"] = error.hint.empty() ? Json(nullptr) : Json(error.hint);
  json["http_status"] = error.http_status != 0 ? Json(error.http_status) : Json(nullptr);
  json["context"] = error.context;
  return dump(json) + "\n";
}

}  // namespace blkrewind::cli
