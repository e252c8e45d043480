// Loop devices, mounts and small tmpfs for tests; each is removed by its destructor.
//
// All of them need root. A test calls have_root_and_loop() first and skips with a reason. Failures
// throw std::runtime_error, which fails the test.
#pragma once

#include <cstdint>
#include <string>

#include "support/temp_dir.h"

namespace blkrewind::test {

// True when this process is root and /dev/loop-control can be opened.
[[nodiscard]] bool have_root_and_loop();

// A sparse file of `size_bytes`; an existing file of that name is replaced.
void make_sparse_file(const std::string& path, std::uint64_t size_bytes);

// Runs a program (no shell) and waits for it. Throws when its exit status is not 0, with what it
// printed.
void run_program(std::initializer_list<std::string> arguments);

struct LoopOptions {
  bool read_only = false;
  bool direct_io = false;              // the loop reads its backing file with O_DIRECT
  std::uint64_t offset_bytes = 0;      // offset of the device in its backing file
  std::uint64_t size_limit_bytes = 0;  // 0: up to the end of the file
};

class LoopDevice {
 public:
  // Attaches a free loop device to `backing`. A missing file is created, sparse, with `size_bytes`;
  // an existing one keeps its size and content.
  [[nodiscard]] static LoopDevice make(const std::string& backing, std::uint64_t size_bytes,
                                       std::uint32_t sector_bytes = 512,
                                       const LoopOptions& options = {});
  LoopDevice(LoopDevice&& other) noexcept;
  LoopDevice& operator=(LoopDevice&& other) = delete;
  ~LoopDevice();

  [[nodiscard]] const std::string& path() const { return path_; }  // "/dev/loop3"
  [[nodiscard]] const std::string& backing() const { return backing_; }
  void detach();             // now rather than in the destructor
  void reread_size() const;  // after the size of the backing file has changed (LOOP_SET_CAPACITY)

 private:
  LoopDevice(std::string path, std::string backing);
  std::string path_;
  std::string backing_;
};

// A mounted file system; unmounted by the destructor. `target` is an existing directory.
class Mount {
 public:
  Mount(const std::string& source, const std::string& target, const std::string& type,
        const std::string& options = {});
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  [[nodiscard]] const std::string& path() const { return target_; }
  void unmount();  // now rather than in the destructor

 private:
  std::string target_;
};

// A tmpfs of at most `size_bytes` on a directory of its own.
class Tmpfs {
 public:
  explicit Tmpfs(std::uint64_t size_bytes);
  [[nodiscard]] const std::string& path() const { return directory_.path(); }
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.file(name); }

 private:
  TempDir directory_;
  Mount mount_;
};

}  // namespace blkrewind::test
