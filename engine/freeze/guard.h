// The second thawer: a process that thaws when the operation's process ends, or when the limit has
// passed.
//
// It is a child that the embedding program never notices: its end raises no SIGCHLD, and only a
// wait for children of every kind (__WALL) would see it. It has a session of its own, blocks every
// signal (a signal of a terminal, of a service manager, or of `kill` must not end it; SIGKILL
// does), has no descriptors but those it needs, and has locked what memory it uses. It makes only
// async-signal-safe calls: the process it was forked from may have had threads.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/fd.h"
#include "freeze/shared_state.h"

namespace blkrewind::freeze {

// Not thread-safe. The destructor closes the descriptors and no more: the guard then takes the
// operation for dead, unless it was dismissed.
class Guard {
 public:
  // `keep`: descriptors that the guard has as well, besides the roots and the folder in `mapping`.
  // Returns when the guard stands.
  [[nodiscard]] static Result<Guard> start(const SharedMapping& mapping, std::vector<int> keep);
  Guard(Guard&&) = default;
  Guard& operator=(Guard&&) = default;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // No memory is allocated by these two.
  [[nodiscard]] bool lives() const noexcept;
  // Lets it see that the shared state has changed. False: it has ended.
  [[nodiscard]] bool wake() const noexcept;
  // At most `timeout_ms`: until it has ended.
  [[nodiscard]] bool wait_for_end(int timeout_ms) const noexcept;
  // Nothing is frozen any more: it ends, and is reaped. Killed if it does not end by itself.
  void dismiss(SharedState& state) noexcept;

 private:
  Guard(pid_t pid, UniqueFd process, UniqueFd socket)
      : pid_(pid), process_(std::move(process)), socket_(std::move(socket)) {}
  pid_t pid_;
  UniqueFd process_;  // pidfd
  UniqueFd socket_;
};

}  // namespace blkrewind::freeze
