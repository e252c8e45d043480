#include "operations/online/hook.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace blkrewind {
namespace {

// The program's standard input is empty, and its output goes where this process's errors go.
Status run_hook(const std::string& program, const char* word) {
  std::string name = program;
  std::string argument = word;
  std::array<char*, 3> arguments = {name.data(), argument.data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", 0, 0);
  posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  pid_t process = 0;
  const int refused =
      ::posix_spawnp(&process, name.c_str(), &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  Error error;
  error.code = Errc::kPrecondition;
  error.message = "the hook " + program + " " + word + " failed";
  error.remedy = "run it by hand to see why";
  if (refused != 0) {
    error.sys_errno = refused;
    return fail(std::move(error));
  }
  int status = 0;
  while (::waitpid(process, &status, 0) < 0) {
    if (errno == EINTR) continue;
    error.sys_errno = errno;
    return fail(std::move(error));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  error.message += WIFEXITED(status)
                       ? ": it ended with status " + std::to_string(WEXITSTATUS(status))
                       : ": it was ended by signal " + std::to_string(WTERMSIG(status));
  return fail(std::move(error));
}

}  // namespace

Hook::~Hook() { thaw(); }

Status Hook::freeze() {
  if (!exists()) return {};
  frozen_ = true;
  return run_hook(program_, "freeze");
}

void Hook::thaw() {
  if (!std::exchange(frozen_, false)) return;
  if (const Status done = run_hook(program_, "thaw"); !done) {
    log::warning(done.error().to_string());
  }
}

}  // namespace blkrewind
