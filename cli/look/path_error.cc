#include "cli/look/path_error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace blkrewind::cli {
namespace {

struct Meaning {
  int sys_errno;
  Errc code;
};
constexpr std::array kOfThePath = {
    Meaning{ENOTDIR, Errc::kNotFound},       // a part of it is a file
    Meaning{ELOOP, Errc::kInvalidArgument},  // its links lead in a circle
    Meaning{ENAMETOOLONG, Errc::kInvalidArgument},
};
constexpr std::array kOfTheDevice = {EIO, EUCLEAN, EBADMSG, ENODATA};

}  // namespace

Error path_error(int sys_errno, std::string message) {
  Error error = system_error(sys_errno, std::move(message));
  const auto known = std::ranges::find(kOfThePath, sys_errno, &Meaning::sys_errno);
  if (known != kOfThePath.end()) error.code = known->code;
  return error;
}

bool is_of_the_device(const Error& error) {
  return std::ranges::find(kOfTheDevice, error.sys_errno) != kOfTheDevice.end();
}

}  // namespace blkrewind::cli
