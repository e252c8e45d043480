// Folders in folders, one in each, deeper than any path is long; and a process with few
// descriptors.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"

namespace blkrewind::test {

class DeepFolders {
 public:
  static constexpr const char* kName = "a folder in a folder";

  // Made, with a file "x" in each.
  DeepFolders(const std::string& path, int depth) : path_(path), depth_(depth) {
    ::mkdir(path.c_str(), 0700);
    UniqueFd at(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i <= depth; ++i) {
      UniqueFd(::openat(at.get(), "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).reset();
      if (i == depth) break;
      ::mkdirat(at.get(), kName, 0700);
      at.reset(::openat(at.get(), kName, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
  }
  // Made by what is tested.
  explicit DeepFolders(const std::string& path) : path_(path) {
    UniqueFd at(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (true) {
      at.reset(::openat(at.get(), kName, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!at.valid()) break;
      ++depth_;
    }
  }
  // From below, since no other way of removing is sure to reach that deep.
  ~DeepFolders() {
    UniqueFd at(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < depth_; ++i) {
      at.reset(::openat(at.get(), kName, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    for (int i = 0; i < depth_; ++i) {
      ::unlinkat(at.get(), "x", 0);
      at.reset(::openat(at.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ::unlinkat(at.get(), kName, AT_REMOVEDIR);
    }
  }
  DeepFolders(const DeepFolders&) = delete;
  DeepFolders& operator=(const DeepFolders&) = delete;

  [[nodiscard]] int depth() const { return depth_; }

 private:
  const std::string path_;
  int depth_ = 0;
};

class FewDescriptors {
 public:
  explicit FewDescriptors(unsigned most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = most;
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace blkrewind::test
