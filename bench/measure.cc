// Runs a program and writes the resources that the whole process used, start to exit, as one JSON
// object:
//
//   measure FILE PROGRAM [ARGUMENTS...]
//
// Its standard streams are the program's, its exit status is the program's (128 + N after signal
// N). For scripts/bench-rollback, bench-tracking and bench-store; standard library and Linux only.
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

extern char** environ;

namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: measure FILE PROGRAM [ARGUMENTS...]\n");
    return 2;
  }
  pid_t child = 0;
  const auto start = std::chrono::steady_clock::now();
  if (const int error = ::posix_spawnp(&child, argv[2], nullptr, nullptr, argv + 2, environ)) {
    std::fprintf(stderr, "measure: cannot run %s: %s\n", argv[2], std::strerror(error));
    return 127;
  }
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0) {
    if (errno == EINTR) continue;
    std::perror("measure: wait4");
    return 1;
  }
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;

  std::FILE* file = std::fopen(argv[1], "w");
  if (file == nullptr) {
    std::fprintf(stderr, "measure: cannot write %s: %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  // ru_maxrss is in KiB (getrusage(2)); before exec it counted this small program.
  std::fprintf(file,
               "{\"wall_seconds\": %.6f, \"user_seconds\": %.6f, \"system_seconds\": %.6f, "
               "\"peak_resident_bytes\": %lld}\n",
               wall.count(), seconds_of(usage.ru_utime), seconds_of(usage.ru_stime),
               static_cast<long long>(usage.ru_maxrss) * 1024);
  if (std::fclose(file) != 0) {
    std::perror("measure: close");
    return 1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
