#include "support/passthrough.h"

#include <linux/magic.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/machine_wide.h"

namespace blkrewind::test {
namespace {

bool is_fuse(const std::string& path) {
  struct statfs status {};
  return ::statfs(path.c_str(), &status) == 0 && status.f_type == FUSE_SUPER_MAGIC;
}

}  // namespace

Passthrough::Passthrough(const std::string& program, const std::string& folder,
                         const std::string& options) {
  check_machine_wide("a FUSE mount");
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    why_ = "no access to /dev/fuse";
    return;
  }
  const pid_t parent = ::getpid();
  child_ = ::fork();
  if (child_ == 0) {
    // It unmounts when it is terminated, also when the test was killed.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
    ::execl(program.c_str(), program.c_str(), folder.c_str(), target_.path().c_str(),
            options.c_str(), nullptr);
    ::_exit(127);
  }
  while (!is_fuse(target_.path())) {
    if (child_ < 0 || ::waitpid(child_, nullptr, WNOHANG) != 0) {
      child_ = -1;
      why_ = "FUSE does not mount here";
      return;
    }
    ::usleep(10'000);
  }
}

Passthrough::~Passthrough() {
  if (child_ < 0) return;
  ::umount2(target_.path().c_str(), MNT_DETACH);
  ::kill(child_, SIGTERM);
  ::waitpid(child_, nullptr, 0);
}

}  // namespace blkrewind::test
