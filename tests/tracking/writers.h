// Processes that write to the device, through non-exclusive descriptors, until they are told to
// pause.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "tracking/stage.h"

namespace blkrewind::tracking {

inline constexpr unsigned kWritersMax = 8;

class Writers {
 public:
  Writers(const Stage& stage, std::uint64_t seed, unsigned count);
  ~Writers();
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  // No process writes between the return of pause() and go_on(). Throws if a writer has failed.
  void pause();
  void go_on();
  // The longest time that they wait between two writes: 0 is as fast as possible.
  void set_idle_microseconds(std::uint32_t most);

  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::uint64_t writes() const;

 private:
  struct Shared {
    std::atomic<std::uint32_t> turn{0};  // odd: pause
    std::atomic<std::uint32_t> idle{100};
    std::atomic<std::uint32_t> seen[kWritersMax]{};
    std::atomic<std::uint64_t> bytes[kWritersMax]{};
    std::atomic<std::uint64_t> writes[kWritersMax]{};
  };

  [[noreturn]] void write_on(const Stage& stage, std::uint64_t seed, unsigned number) const;

  Shared* shared_;
  std::vector<pid_t> processes_;
};

}  // namespace blkrewind::tracking
