#include "cli/mount/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <exception>
#include <string>
#include <utility>

#include "cli/mount/error_note.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {
namespace {

void write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) return;
    done += static_cast<std::size_t>(std::max<ssize_t>(written, 0));
  }
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> piece{};
  while (true) {
    const ssize_t length = ::read(fd, piece.data(), piece.size());
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(length));
  }
}

void close_all_but(std::vector<int> kept) {
  kept.insert(kept.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
  std::ranges::sort(kept);
  unsigned next = 0;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) close_range(next, number - 1, 0);
    next = std::max(next, number + 1);
  }
  close_range(next, UINT_MAX, 0);
}

void leave(const std::vector<int>& kept) {
  setsid();
  static_cast<void>(chdir("/"));
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, SIG_DFL);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (nothing >= 0) dup2(nothing, fd);
  }
  close_all_but(kept);
}

constexpr char kReady = '+';
constexpr char kFailed = '-';

[[noreturn]] void be_the_child(const std::function<Status(const Ready&)>& work, int to_parent,
                               std::vector<int> kept) {
  kept.push_back(to_parent);
  leave(kept);
  bool said = false;
  Status done;
  try {
    done = work([&] {
      said = true;
      write_all(to_parent, std::string(1, kReady));
      close(to_parent);
    });
  } catch (const std::exception& exception) {
    done = fail(Errc::kInternal, exception.what());
  }
  if (!done && !said) write_all(to_parent, kFailed + pack_error(done.error()));
  // Nothing of the parent's is flushed or destroyed a second time.
  _exit(done ? 0 : 1);
}

}  // namespace

Result<pid_t> run_in_background(const std::function<Status(const Ready&)>& work,
                                const std::vector<int>& kept) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(system_error(errno, "cannot create a pipe"));
  }
  const OwnedFd from_child(ends[0]);
  OwnedFd to_parent(ends[1]);
  const pid_t child = fork();
  if (child < 0) return fail(system_error(errno, "cannot create a process"));
  if (child == 0) be_the_child(work, to_parent.get(), kept);
  to_parent.reset();
  const std::string answer = read_all(from_child.get());
  if (answer.starts_with(kReady)) return child;
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (auto error = unpack_error(answer.empty() ? answer : answer.substr(1))) {
    return fail(std::move(*error));
  }
  return fail(Errc::kInternal, "the process that was to serve the mount ended without saying why");
}

}  // namespace blkrewind::cli
