#include "freeze/guard_process.h"

#include <fcntl.h>
#include <link.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>

namespace blkrewind::freeze {
namespace {

constexpr std::size_t kStackBytes = 32 * 1024;
// A thaw that the operation has begun and not ended this long after the limit is taken over.
constexpr std::int64_t kGraceNs = 1'000'000'000;
constexpr std::int64_t kNsPerMs = 1'000'000;

int collect_code(dl_phdr_info* object, std::size_t, void* context) {
  auto& code = *static_cast<std::vector<MemoryRange>*>(context);
  const auto holds = [&](auto* function) {
    const auto address = reinterpret_cast<std::uintptr_t>(function);
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& part = object->dlpi_phdr[i];
      const std::uintptr_t start = object->dlpi_addr + part.p_vaddr;
      if (part.p_type == PT_LOAD && address >= start && address - start < part.p_memsz) return true;
    }
    return false;
  };
  if (!holds(&run_guard) && !holds(&::nanosleep)) return 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    code.push_back({reinterpret_cast<const void*>(object->dlpi_addr + part.p_vaddr), part.p_memsz});
  }
  return 0;
}

// Ahead of the need for it: a page that has to be read or copied while file systems are frozen
// could wait for one of them.
[[gnu::noinline]] void lock_stack() noexcept {
  std::array<volatile char, kStackBytes> room;
  for (volatile char& byte : room) byte = 0;
  static_cast<void>(::mlock(const_cast<const char*>(room.data()), room.size()));
}

void close_all_but(const std::vector<int>& keep) noexcept {
  unsigned first = 0;
  for (const int fd : keep) {
    if (fd < 0) continue;
    const auto kept = static_cast<unsigned>(fd);
    if (kept > first && ::syscall(SYS_close_range, first, kept - 1, 0) != 0) ::_exit(errno);
    first = std::max(first, kept + 1);
  }
  if (::syscall(SYS_close_range, first, ~0U, 0) != 0) ::_exit(errno);
}

// Out of the way of the OOM killer. An ordinary user may not, and cannot freeze either.
void outlive_shortage() noexcept {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  static_cast<void>(!::write(fd, "-1000", 5));
  ::close(fd);
}

enum class Event { kNone, kOperationEnded };

// What the two descriptors say within `timeout_ms`; -1: without end.
Event wait_for_event(int socket, int operation, int timeout_ms) noexcept {
  std::array<pollfd, 2> both = {{{socket, POLLIN, 0}, {operation, POLLIN, 0}}};
  if (::poll(both.data(), both.size(), timeout_ms) <= 0) return Event::kNone;
  if (both[1].revents != 0) return Event::kOperationEnded;
  if (both[0].revents != 0) {
    std::array<char, 16> bytes;
    const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    // The process has ended, or become another program.
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return Event::kOperationEnded;
  }
  return Event::kNone;
}

struct Watched {
  int socket;
  int operation;
};

bool watched_lives(const void* context) noexcept {
  const auto& watched = *static_cast<const Watched*>(context);
  return wait_for_event(watched.socket, watched.operation, 0) == Event::kNone;
}

// Runs what a thaw runs, so that all of it has been loaded and bound.
void rehearse(const Watched& watched) noexcept {
  static_cast<void>(watched_lives(&watched));
  static_cast<void>(::ioctl(-1, FITHAW, 0));
  static_cast<void>(monotonic_ns());
  const timespec moment = {0, 1};
  ::nanosleep(&moment, nullptr);
  static_cast<void>(::unlinkat(-1, "", 0));
}

[[noreturn]] void finish(SharedState& state, const Watched& watched) noexcept {
  thaw_all(state, watched_lives, &watched);
  if (!anything_left(state)) ::unlinkat(state.folder, state.file_name.data(), 0);
  state.guard_finished = 1;
  ::_exit(0);
}

int milliseconds_until(std::int64_t moment_ns) noexcept {
  const std::int64_t left = moment_ns - monotonic_ns();
  if (left <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>(left / kNsPerMs + 1, INT_MAX));
}

[[noreturn]] void stand(SharedState& state, const Watched& watched) noexcept {
  for (;;) {
    if (state.done != 0) ::_exit(0);
    const std::int64_t deadline = state.deadline_ns;
    int timeout = -1;
    if (deadline != 0) {
      timeout = milliseconds_until(deadline);
      if (timeout == 0) {
        Thawer nobody = Thawer::kNobody;
        if (state.thawer.compare_exchange_strong(nobody, Thawer::kGuard)) finish(state, watched);
        timeout = milliseconds_until(deadline + kGraceNs);
        if (timeout == 0) {
          state.thawer = Thawer::kGuard;
          finish(state, watched);
        }
      }
    }
    if (wait_for_event(watched.socket, watched.operation, timeout) == Event::kOperationEnded) {
      if (state.done != 0) ::_exit(0);
      state.thawer = Thawer::kGuard;
      finish(state, watched);
    }
  }
}

}  // namespace

std::vector<MemoryRange> code_of_guard() {
  std::vector<MemoryRange> code;
  ::dl_iterate_phdr(collect_code, &code);
  return code;
}

void run_guard(const GuardPlan& plan) noexcept {
  ::setsid();
  static_cast<void>(!::chdir("/"));
  ::prctl(PR_SET_NAME, "blkrewind-guard");
  outlive_shortage();
  close_all_but(plan.keep);
  for (const MemoryRange& range : plan.code) {
    static_cast<void>(::mlock(range.start, range.length_bytes));
  }
  static_cast<void>(::mlock(plan.state, plan.state_bytes));
  lock_stack();
  const Watched watched = {plan.socket, plan.operation};
  SharedState& state = *plan.state;
  rehearse(watched);
  // If the operation has ended meanwhile, stand() sees it, and removes the file.
  const char stands = 's';
  static_cast<void>(!::send(watched.socket, &stands, 1, MSG_NOSIGNAL));
  stand(state, watched);
}

}  // namespace blkrewind::freeze
