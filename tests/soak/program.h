// The built program on one store: starting, stopping, killing, and its output.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fd.h"

namespace blkrewind::soak {

struct Ended {
  bool killed = false;  // by a signal of the driver
  int status = -1;      // exit status otherwise
  std::string out;
  std::string err;
  double seconds = 0;

  // Its output, if complete: acknowledged, even if it was killed right afterwards.
  [[nodiscard]] nlohmann::json answer() const;
  // For a log: how it ended, and its output.
  [[nodiscard]] std::string text() const;
};

// A running program. It dies with the driver; the destructor kills it if it is still running.
class Process {
 public:
  Process(const std::string& program, const std::vector<std::string>& arguments,
          const std::vector<std::string>& variables);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  void signal(int number) const;
  [[nodiscard]] bool has_ended() const;
  // Waits until it has ended; throws if that takes longer than a minute.
  [[nodiscard]] Ended wait();

 private:
  pid_t pid_ = -1;
  UniqueFd handle_;  // a pidfd
  UniqueFd out_;
  UniqueFd err_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace blkrewind::soak
