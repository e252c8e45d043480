// Where a process that serves a mount says what went wrong: to the reader of a file the kernel
// passes on a number alone. On standard error, or by syslog(3) once it has no terminal.
//
// Thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "blkrewind/error.h"

namespace blkrewind::cli {

class MountLog {
 public:
  enum class To { kStandardError, kSyslog };
  explicit MountLog(To to) : to_(to) {}

  // A line that was written before is left out: a reader may ask for one bad chunk for ever.
  void error(const Error& error);
  void line(const std::string& text);

 private:
  const To to_;
  std::mutex mutex_;
  std::set<std::string> written_;  // the first kRemembered of them
  static constexpr std::size_t kRemembered = 1000;
};

}  // namespace blkrewind::cli
