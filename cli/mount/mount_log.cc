#include "cli/mount/mount_log.h"

#include <syslog.h>

#include <cstdio>

#include "cli/output.h"

namespace blkrewind::cli {

void MountLog::error(const Error& error) {
  if (note_ != nullptr) note_->put(error);
  line(error.to_string());
}

void MountLog::line(const std::string& text) {
  const std::scoped_lock lock(mutex_);
  if (written_.contains(text)) return;
  if (written_.size() < kRemembered) written_.insert(text);
  const std::string safe = printable(text);
  if (to_ == To::kSyslog) {
    syslog(LOG_DAEMON | LOG_ERR, "%s", safe.c_str());
  } else {
    static_cast<void>(std::fprintf(stderr, "blkrewind: %s\n", safe.c_str()));
  }
}

}  // namespace blkrewind::cli
