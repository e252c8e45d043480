#include "cli/errors.h"

#include <csignal>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/remedy_text.h"
#include "cli/serve/api_status.h"

namespace blkrewind::cli {
namespace {

// Both are there where a source that says plain advice in `hint` passes an error on.
Remedy remedy_of(const Error& error) { return Remedy(error.remedy).and_then(Remedy(error.hint)); }

}  // namespace

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
  return std::string(error.api ? to_string(*error.api) : to_string(error.code));
}

std::string error_text(const Error& error, const std::string& store_option) {
  std::string text = "blkrewind: " + error_code(error) + ": " + printable(error.message);
  std::string detail;
  if (error.extent) detail += " " + blkrewind::to_string(*error.extent);
  if (error.sys_errno != 0) {
    detail += ": " + std::generic_category().message(error.sys_errno) + " (errno " +
              std::to_string(error.sys_errno) + ")";
  }
  if (!error.api) {
    text += detail;
  } else if (!detail.empty()) {
    text += "\n  at" + detail;
  }
  for (const std::string& step : error.context) {
    // A step may or may not bring its own "while".
    text += step.starts_with("while ") ? "\n  " : "\n  while ";
    text += printable(step);
  }
  const std::string hint = remedy_text(remedy_of(error), store_option);
  if (!hint.empty()) text += "\n  hint: " + printable(hint);
  return text + "\n";
}

std::string error_json(const Error& error, const std::string& store_option) {
  Json json;
  json["code"] = error_code(error);
  json["message"] = error.message;
  json["errno"] = error.sys_errno != 0 ? Json(error.sys_errno) : Json(nullptr);
  json["extent"] = error.extent ? json_of(*error.extent) : Json(nullptr);
  const Remedy remedy = remedy_of(error);
  json["hint"] = remedy.empty() ? Json(nullptr) : Json(remedy_text(remedy, store_option));
  json["remedy"] = remedy_json(remedy);
  json["http_status"] = error.api ? Json(serve::http_status(*error.api)) : Json(nullptr);
  json["context"] = error.context;
  return dump(json) + "\n";
}

}  // namespace blkrewind::cli
