// What the queue tests run on: every kind of queue over every kind of file.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/env.h"
#include "support/loop_device.h"
#include "support/temp_dir.h"

namespace blkrewind::io {

enum class QueueKind { kUring, kSynchronous };
enum class Place { kTmpfs, kExt4, kLoop512, kLoop4096 };

inline std::string name_of(QueueKind kind) {
  return kind == QueueKind::kUring ? "Uring" : "Synchronous";
}

inline std::string name_of(Place place) {
  switch (place) {
    case Place::kTmpfs:
      return "Tmpfs";
    case Place::kExt4:
      return "Ext4";
    case Place::kLoop512:
      return "Loop512";
    case Place::kLoop4096:
      return "Loop4096";
  }
  return "";
}

// A file or a device of `size_bytes` zero bytes.
class Playground {
 public:
  Playground(Place place, std::uint64_t size_bytes) {
    switch (place) {
      case Place::kTmpfs:
        directory_.emplace("/dev/shm");
        path_ = directory_->file("image");
        test::make_sparse_file(path_, size_bytes);
        break;
      case Place::kExt4:
        directory_.emplace();
        file_system_.emplace(
            test::LoopDevice::make(directory_->file("ext4"), size_bytes + 64 * kMiB));
        test::run_program({"mkfs.ext4", "-q", "-F", file_system_->path()});
        mount_point_.emplace();
        mount_.emplace(file_system_->path(), mount_point_->path(), "ext4");
        path_ = mount_point_->file("image");
        test::make_sparse_file(path_, size_bytes);
        break;
      case Place::kLoop512:
      case Place::kLoop4096:
        directory_.emplace("/dev/shm");
        device_.emplace(test::LoopDevice::make(directory_->file("backing"), size_bytes,
                                               place == Place::kLoop512 ? 512 : 4096));
        path_ = device_->path();
        break;
    }
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  static bool needs_root(Place place) { return place != Place::kTmpfs; }

 private:
  // Destroyed in reverse order.
  std::optional<test::TempDir> directory_;
  std::optional<test::LoopDevice> file_system_;
  std::optional<test::TempDir> mount_point_;
  std::optional<test::Mount> mount_;
  std::optional<test::LoopDevice> device_;
  std::string path_;
};

inline std::unique_ptr<Env> env_of(QueueKind kind) {
  return make_local_env({.allow_io_uring = kind == QueueKind::kUring});
}

inline std::unique_ptr<Queue> queue_of(Env& env, const QueueOptions& options) {
  auto queue = env.make_queue(options);
  if (!queue) throw std::runtime_error(queue.error().to_string());
  return std::move(*queue);
}

inline std::unique_ptr<File> open_of(Env& env, const std::string& path,
                                     const OpenOptions& options = {.access = Access::kReadWrite}) {
  auto file = env.open(path, options);
  if (!file) throw std::runtime_error(file.error().to_string());
  return std::move(*file);
}

// One request; its errno.
inline int run_one(Queue& queue, const Request& request) {
  std::vector<Completion> done;
  if (!queue.submit({&request, 1})) return -1;
  if (!queue.wait(1, done) || done.size() != 1) return -1;
  return done.front().error;
}

}  // namespace blkrewind::io
