// Where a process that serves a mount says what went wrong: to the reader of a file the kernel
// passes on a number alone. On standard error, or by syslog(3) once it has no terminal.
//
// Thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "blkrewind/error.h"
#include "cli/mount/error_note.h"

namespace blkrewind::cli {

class MountLog {
 public:
  enum class To { kStandardError, kSyslog };
  // `note`: has the last error as well. May be null.
  explicit MountLog(To to, const ErrorNote* note = nullptr) : to_(to), note_(note) {}

  // A line that was written before is left out: a reader may ask for one bad chunk for ever.
  void error(const Error& error);
  void line(const std::string& text);

 private:
  const To to_;
  const ErrorNote* const note_;
  std::mutex mutex_;
  std::set<std::string> written_;  // the first kRemembered of them
  static constexpr std::size_t kRemembered = 1000;
};

}  // namespace blkrewind::cli
