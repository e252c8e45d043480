// The built program on one store: started, stopped, killed, and what it said.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fd.h"

namespace blkrewind::soak {

struct Ended {
  bool killed = false;  // by a signal of ours
  int status = -1;      // exit status when it was not
  std::string out;
  std::string err;
  double seconds = 0;

  // What it printed, when that is whole: acknowledged, even if it was killed right after.
  [[nodiscard]] nlohmann::json answer() const;
  // For a log: how it ended and what it said.
  [[nodiscard]] std::string text() const;
};

// A running program. It dies with the driver; the destructor kills it when it still runs.
class Process {
 public:
  Process(const std::string& program, const std::vector<std::string>& arguments,
          const std::vector<std::string>& variables);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  void signal(int number) const;
  [[nodiscard]] bool has_ended() const;
  // Waits until it has ended; throws when that takes longer than a minute.
  [[nodiscard]] Ended wait();

 private:
  pid_t pid_ = -1;
  UniqueFd handle_;  // a pidfd
  UniqueFd out_;
  UniqueFd err_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace blkrewind::soak
