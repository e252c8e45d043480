#include "cli/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace blkrewind::cli {
namespace {

std::atomic<bool> g_cancel{false};
std::atomic<int> g_signal{0};
std::atomic<int> g_count{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "the handler may only touch what is async-signal-safe");

void on_signal(int number) {
  int none = 0;
  const bool first = g_signal.compare_exchange_strong(none, number);
  ++g_count;
  g_cancel.store(true);
  if (!first && number == SIGINT) _exit(128 + SIGINT);
}

}  // namespace

void install_signal_handlers() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    if (sigaction(number, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = on_signal;
    // Operations poll the flag; no system call has to be interrupted for it.
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
  }
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigemptyset(&ignore.sa_mask);
  for (const int number : {SIGPIPE, SIGXFSZ}) sigaction(number, &ignore, nullptr);
}

void occupy_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free descriptor is used, so the order matters. Opened for the opposite direction.
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

const std::atomic<bool>& cancel_flag() { return g_cancel; }

void request_cancel() { g_cancel.store(true); }

int signal_count() { return g_count.load(); }

int caught_signal() { return g_signal.load(); }

}  // namespace blkrewind::cli
