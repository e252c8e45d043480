#include "blkrewind/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/remedies.h"

namespace blkrewind {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return "InvalidArgument";
    case Errc::kNotFound:
      return "NotFound";
    case Errc::kAlreadyExists:
      return "AlreadyExists";
    case Errc::kPrecondition:
      return "Precondition";
    case Errc::kIo:
      return "Io";
    case Errc::kNoSpace:
      return "NoSpace";
    case Errc::kIntegrity:
      return "Integrity";
    case Errc::kUnsupported:
      return "Unsupported";
    case Errc::kBusy:
      return "Busy";
    case Errc::kCancelled:
      return "Cancelled";
    case Errc::kInternal:
      return "Internal";
  }
  return "Internal";
}

Error&& Error::while_doing(std::string step) && {
  context.push_back(std::move(step));
  return std::move(*this);
}

Error&& Error::with_remedy(Remedy what) && {
  remedy = std::move(what);
  return std::move(*this);
}

Error&& Error::at(Extent where) && {
  extent = where;
  return std::move(*this);
}

std::string Error::to_string() const {
  std::string text = message;
  if (extent) text += " " + blkrewind::to_string(*extent);
  if (sys_errno != 0) {
    text += ": " + std::generic_category().message(sys_errno) + " (errno " +
            std::to_string(sys_errno) + ")";
  }
  for (const std::string& step : context) text += ", while " + step;
  return text;
}

tl::unexpected<Error> fail(Errc code, std::string message, Remedy remedy) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.remedy = std::move(remedy);
  return tl::unexpected<Error>(std::move(error));
}

Error system_error(int sys_errno, std::string message) {
  Error error;
  error.sys_errno = sys_errno;
  error.message = std::move(message);
  switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
      error.code = Errc::kNoSpace;
      error.remedy = "free some space on that file system and try again";
      break;
    case ENOENT:
      error.code = Errc::kNotFound;
      break;
    case EBUSY:
      error.code = Errc::kBusy;
      break;
    case ECANCELED:
      error.code = Errc::kCancelled;
      break;
    case EACCES:
    case EPERM:
      error.code = Errc::kIo;
      error.remedy =
          permission_remedy("run it as root, or as a user that may open the device and the store");
      break;
    case EMFILE:
    case ENFILE:
      error.code = Errc::kIo;
      error.remedy = raise_open_files();
      break;
    case ENOMEM:
      error.code = Errc::kIo;
      error.remedy = Remedy(
                         "give the process more memory: raise its limits of address space and of "
                         "locked memory, or "
                         "the one of its control group")
                         .or_else("let it use fewer threads");
      break;
    case EAGAIN:
      error.code = Errc::kIo;
      error.remedy = run_program("raise the limit of processes and threads", "ulimit -u")
                         .or_else("try again later");
      break;
    case EFBIG:
      error.code = Errc::kIo;
      error.remedy = run_program("raise the limit of the size of files", "ulimit -f");
      break;
    case ESTALE:
      error.code = Errc::kIo;
      error.remedy = "mount the network file system again, then try again";
      break;
    default:
      error.code = Errc::kIo;
      break;
  }
  return error;
}

}  // namespace blkrewind
