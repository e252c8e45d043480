#include "soak/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "soak/durable.h"

namespace blkrewind::soak {
namespace {

constexpr int kWaitMaxMs = 60000;

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

nlohmann::json Ended::answer() const { return nlohmann::json::parse(out, nullptr, false); }

std::string Ended::text() const {
  return (killed ? std::string("killed") : "status " + std::to_string(status)) + " after " +
         std::to_string(seconds * 1000) + " ms; " + out.substr(0, out.find('\n')) +
         (err.empty() ? "" : " / " + err.substr(0, err.find('\n')));
}

Process::Process(const std::string& program, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& variables)
    : out_(::memfd_create("out", MFD_CLOEXEC)),
      err_(::memfd_create("err", MFD_CLOEXEC)),
      started_(std::chrono::steady_clock::now()) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) fail_with_errno("fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    for (const std::string& variable : variables) {
      const std::size_t equals = variable.find('=');
      ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (::dup2(nothing, 0) == 0 && ::dup2(out_.get(), 1) == 1 && ::dup2(err_.get(), 2) == 2) {
      ::execv(argv[0], argv.data());
    }
    ::_exit(127);
  }
  handle_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!handle_.valid()) fail_with_errno("pidfd_open");
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      handle_(std::move(other.handle_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      started_(other.started_) {}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::has_ended() const {
  pollfd ready = {handle_.get(), POLLIN, 0};
  return ::poll(&ready, 1, 0) == 1;
}

Ended Process::wait() {
  pollfd ready = {handle_.get(), POLLIN, 0};
  if (::poll(&ready, 1, kWaitMaxMs) != 1) throw std::runtime_error("the program does not end");
  Ended ended;
  ended.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  int raw = 0;
  if (::waitpid(pid_, &raw, 0) != pid_) fail_with_errno("waitpid");
  pid_ = -1;
  ended.killed = WIFSIGNALED(raw) && WTERMSIG(raw) == SIGKILL;
  ended.status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 1000 + WTERMSIG(raw);
  ended.out = read_all(out_.get());
  ended.err = read_all(err_.get());
  return ended;
}

}  // namespace blkrewind::soak
