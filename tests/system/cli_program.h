// Runs the built program as a user does, and checks its output and exit status.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.h"
#include "support/read_file.h"
#include "support/temp_dir.h"

namespace blkrewind::test {

struct CliOutcome {
  int status = -1;  // exit status, or 1000 + signal if a signal ended the program
  std::string out;
  std::string err;
  std::uint64_t peak_memory_bytes = 0;  // resident
};

// A running program; the destructor kills it if it is still running.
class CliProcess {
 public:
  // Inherits no descriptor. `variables`: "NAME=VALUE"; other BLKREWIND_... ones are removed.
  CliProcess(const std::vector<std::string>& variables, const std::vector<std::string>& arguments,
             int out, int err)
      : pid_(fork()) {
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) become(variables, arguments, out, err);
  }
  ~CliProcess() {
    if (pid_ <= 0) return;
    kill(SIGKILL);
    static_cast<void>(wait());
  }
  CliProcess(const CliProcess&) = delete;
  CliProcess& operator=(const CliProcess&) = delete;

  void kill(int signal) const { ::kill(pid_, signal); }
  // In a write that its reader keeps from returning.
  [[nodiscard]] bool waits_in_write() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/syscall");
    long number = -1;
    int fd = -1;
    file >> number >> std::hex >> fd;
    return number == SYS_write && fd == STDOUT_FILENO;
  }
  // False while it runs.
  [[nodiscard]] bool ended(int& status) {
    int raw = 0;
    if (waitpid(pid_, &raw, WNOHANG) != pid_) return false;
    pid_ = 0;
    status = decoded(raw);
    return true;
  }
  [[nodiscard]] int wait() {
    int raw = 0;
    rusage used{};
    const pid_t found = wait4(pid_, &raw, 0, &used);
    if (found != pid_) throw std::runtime_error("waitpid failed");
    pid_ = 0;
    peak_memory_bytes_ = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
    return decoded(raw);
  }
  // After wait(). At least as much as the test's own process had when it started this one.
  [[nodiscard]] std::uint64_t peak_memory_bytes() const { return peak_memory_bytes_; }

 private:
  static int decoded(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : 1000 + WTERMSIG(raw); }

  [[noreturn]] static void become(const std::vector<std::string>& variables,
                                  const std::vector<std::string>& arguments, int out, int err) {
    for (const char* name : {"BLKREWIND_STORE", "BLKREWIND_THREADS", "BLKREWIND_NO_IO_URING",
                             "BLKREWIND_ACCEPT_AVAILABLE"}) {
      unsetenv(name);
    }
    for (const std::string& variable : variables) {
      const std::size_t equals = variable.find('=');
      setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    std::vector<char*> words;
    std::string program = BLKREWIND_PROGRAM;
    words.push_back(program.data());
    std::vector<std::string> copies = arguments;
    for (std::string& word : copies) words.push_back(word.data());
    words.push_back(nullptr);
    signal(SIGINT, SIG_DFL);  // it may be ignored in a background job
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2) {
      execv(program.c_str(), words.data());
    }
    _exit(127);
  }

  pid_t pid_;
  std::uint64_t peak_memory_bytes_ = 0;
};

// A store in a temporary directory, and the program on it.
class CliProgram {
 public:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.file(name); }
  [[nodiscard]] std::string store() const { return directory_.file("store"); }

  // `arguments` after "--store STORE". Standard output goes to `out_path` if it is not empty.
  // Throws std::runtime_error if the program cannot be run.
  [[nodiscard]] CliOutcome run(const std::vector<std::string>& arguments,
                               const std::string& out_path = {}) const {
    std::vector<std::string> words = {"--store", store()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return run_with({}, words, out_path);
  }

  // Without --store, and with these variables ("NAME=VALUE") in the environment.
  [[nodiscard]] CliOutcome run_with(const std::vector<std::string>& variables,
                                    const std::vector<std::string>& arguments,
                                    const std::string& out_path = {}) const {
    const std::string out_file = out_path.empty() ? file("stdout") : out_path;
    const std::string err_file = file("stderr");
    const UniqueFd out = opened(out_file);
    const UniqueFd err = opened(err_file);
    CliProcess process(variables, arguments, out.get(), err.get());
    CliOutcome outcome;
    outcome.status = process.wait();
    outcome.peak_memory_bytes = process.peak_memory_bytes();
    if (outcome.status == 127) throw std::runtime_error("cannot run " BLKREWIND_PROGRAM);
    if (out_path.empty()) outcome.out = read_file(out_file);
    outcome.err = read_file(err_file);
    return outcome;
  }

 private:
  static UniqueFd opened(const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (fd.get() < 0) throw std::runtime_error("cannot open " + path);
    return fd;
  }
  TempDir directory_;
};

}  // namespace blkrewind::test
