// Errors as C sees them.
#include "control/c_interface/call.h"

namespace blkrewind::c_interface {
namespace {

// The numbers are part of the interface; those of Errc are not.
blkrewind_code code_of(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return BLKREWIND_INVALID_ARGUMENT;
    case Errc::kNotFound:
      return BLKREWIND_NOT_FOUND;
    case Errc::kAlreadyExists:
      return BLKREWIND_ALREADY_EXISTS;
    case Errc::kPrecondition:
      return BLKREWIND_PRECONDITION;
    case Errc::kIo:
      return BLKREWIND_IO;
    case Errc::kNoSpace:
      return BLKREWIND_NO_SPACE;
    case Errc::kIntegrity:
      return BLKREWIND_INTEGRITY;
    case Errc::kUnsupported:
      return BLKREWIND_UNSUPPORTED;
    case Errc::kBusy:
      return BLKREWIND_BUSY;
    case Errc::kCancelled:
      return BLKREWIND_CANCELLED;
    case Errc::kInternal:
      break;
  }
  return BLKREWIND_INTERNAL;
}

constexpr const char* kCodeNames[] = {
    "Ok",      "InvalidArgument", "NotFound",    "AlreadyExists", "Precondition", "Io",
    "NoSpace", "Integrity",       "Unsupported", "Busy",          "Cancelled",    "Internal",
};

}  // namespace

int report(const Error& error, blkrewind_error** to) noexcept {
  if (to != nullptr) {
    try {
      *to = new blkrewind_error(error);
    } catch (...) {
      *to = nullptr;  // the code says what went wrong
    }
  }
  return code_of(error.code);
}

Status need(bool given, std::string_view name) {
  if (given) return {};
  return fail(Errc::kInvalidArgument, "NULL was passed as " + std::string(name),
              "see its comment in blkrewind/blkrewind.h");
}

}  // namespace blkrewind::c_interface

namespace c_interface = blkrewind::c_interface;

blkrewind_error::blkrewind_error(const blkrewind::Error& from)
    : code(from.code),
      sys_errno(from.sys_errno),
      extent(from.extent),
      api_code(from.api ? to_string(*from.api) : ""),
      message(from.to_string()),
      remedy(from.remedy.to_string()) {}

const char* blkrewind_code_name(int code) {
  return code >= BLKREWIND_OK && code <= BLKREWIND_INTERNAL
             ? c_interface::kCodeNames[code]
             : c_interface::kCodeNames[BLKREWIND_INTERNAL];
}

int blkrewind_error_code(const blkrewind_error* error) {
  return error == nullptr ? int{BLKREWIND_OK} : int{c_interface::code_of(error->code)};
}

int blkrewind_error_errno(const blkrewind_error* error) {
  return error == nullptr ? 0 : error->sys_errno;
}

const char* blkrewind_error_api_code(const blkrewind_error* error) {
  return error == nullptr ? "" : error->api_code.c_str();
}

const char* blkrewind_error_message(const blkrewind_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

const char* blkrewind_error_remedy(const blkrewind_error* error) {
  return error == nullptr ? "" : error->remedy.c_str();
}

int blkrewind_error_extent(const blkrewind_error* error, blkrewind_extent* extent) {
  if (error == nullptr || !error->extent) return 0;
  if (extent != nullptr) *extent = {error->extent->offset, error->extent->length};
  return 1;
}

void blkrewind_error_free(blkrewind_error* error) { delete error; }
