#include "freeze/guard.h"

#include <linux/sched.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "freeze/guard_process.h"

namespace blkrewind::freeze {
namespace {

constexpr int kStandsTimeoutMs = 10'000;
constexpr int kEndTimeoutMs = 2'000;
constexpr std::size_t kSignalBytes = 8;  // of the kernel's signal set

bool is_readable(int fd, int timeout_ms) noexcept {
  pollfd one = {fd, POLLIN, 0};
  const std::int64_t end = monotonic_ns() + timeout_ms * std::int64_t{1'000'000};
  int ready = 0;
  do {
    ready = ::poll(&one, 1, timeout_ms);
    timeout_ms = static_cast<int>(std::max<std::int64_t>(0, (end - monotonic_ns()) / 1'000'000));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

Error cannot_start(int error, const char* what) {
  if (error == ENOSYS || error == EINVAL) {
    Error unsupported = system_error(error, what);
    unsupported.code = Errc::kUnsupported;
    return std::move(unsupported).with_remedy("boot a kernel of version 5.9 or newer");
  }
  return system_error(error, what);
}

}  // namespace

Result<Guard> Guard::start(const SharedMapping& mapping, std::vector<int> keep) {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(system_error(errno, "cannot make a socket pair for the guard of a freeze"));
  }
  UniqueFd ours(ends[0]);
  UniqueFd guards(ends[1]);
  // The socket alone would not do: another thread may have forked a child that holds it.
  const UniqueFd operation(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!operation.valid()) return fail(cannot_start(errno, "cannot watch a process (pidfd_open)"));

  GuardPlan plan;
  plan.state = &mapping.state();
  plan.state_bytes = mapping.size_bytes();
  plan.socket = guards.get();
  plan.operation = operation.get();
  plan.keep = std::move(keep);
  plan.keep.insert(plan.keep.end(), {guards.get(), operation.get(), mapping.state().folder});
  for (const Slot& slot : mapping.state().slots()) plan.keep.push_back(slot.root);
  std::ranges::sort(plan.keep);
  plan.code = code_of_guard();

  int process = -1;
  clone_args arguments = {};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&process);
  arguments.exit_signal = 0;
  std::uint64_t every_signal = ~std::uint64_t{0};
  std::uint64_t before = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, &before, kSignalBytes);
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) run_guard(plan);
  const int error = errno;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, kSignalBytes);
  if (pid < 0) return fail(cannot_start(error, "cannot start the guard of a freeze"));

  Guard guard(static_cast<pid_t>(pid), UniqueFd(process), std::move(ours));
  char byte = 0;
  guards.reset();  // a guard that fails closes the only other copy
  if (!is_readable(guard.socket_.get(), kStandsTimeoutMs) ||
      ::recv(guard.socket_.get(), &byte, 1, MSG_DONTWAIT) != 1) {
    guard.dismiss(mapping.state());
    return fail(Errc::kIo, "the guard of a freeze did not start",
                "try again when the machine is less busy");
  }
  return guard;
}

bool Guard::lives() const noexcept { return !is_readable(process_.get(), 0); }

bool Guard::wake() const noexcept {
  const char byte = 'w';
  return ::send(socket_.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 && lives();
}

bool Guard::wait_for_end(int timeout_ms) const noexcept {
  return is_readable(process_.get(), timeout_ms);
}

void Guard::dismiss(SharedState& state) noexcept {
  state.done = 1;
  static_cast<void>(wake());
  if (!wait_for_end(kEndTimeoutMs)) {
    ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
    static_cast<void>(wait_for_end(kEndTimeoutMs));
  }
  int status = 0;
  static_cast<void>(::waitpid(pid_, &status, WNOHANG | __WALL));
}

}  // namespace blkrewind::freeze
