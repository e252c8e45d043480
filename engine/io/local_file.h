// A file or block device of the real machine.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/fd.h"
#include "host/sysfs.h"
#include "host/writers.h"
#include "io/env.h"
#include "io/loop_holes.h"
#include "io/zeroing.h"

namespace blkrewind::io {

// Holds one descriptor, direct if the file system supports O_DIRECT, and opens a second, buffered
// one for the first unaligned request. Both see the same bytes: the kernel writes dirty pages back
// before, and drops clean ones after, every direct request that touches them. It does not order a
// buffered and a direct write to *one page* at the same time; the owner of the file must not have
// both in flight.
//
// Any thread may call any function.
class LocalFile final : public File {
 public:
  // Errors: kInvalidArgument - neither a regular file nor a block device; kNotFound,
  // kAlreadyExists, kBusy (held exclusively by another process, or the path was given to another
  // file meanwhile), kIo, kNoSpace.
  [[nodiscard]] static Result<std::unique_ptr<File>> open(const std::string& path,
                                                          const OpenOptions& options);
  // The same for a file that is already open, with the access given in the options.
  [[nodiscard]] static Result<std::unique_ptr<File>> adopt(
      const std::string& path, UniqueFd fd, const OpenOptions& options,
      host::Answer other_writers = host::Answer::kUnknown);

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint32_t alignment_bytes() const override { return alignment_bytes_; }
  [[nodiscard]] std::uint32_t max_request_bytes() const override { return max_request_bytes_; }
  [[nodiscard]] Result<std::uint64_t> size_bytes() override;
  [[nodiscard]] Result<std::uint64_t> end_bytes() override;
  [[nodiscard]] Result<Extent> next_data(std::uint64_t offset) override;
  [[nodiscard]] bool share(File& source, const Extent& extent, std::uint64_t offset) override;
  [[nodiscard]] Status settle_caches(host::CacheUse use) override;
  [[nodiscard]] host::PartitionUpdate update_partitions() override;
  [[nodiscard]] Result<bool> reserve(const Extent& extent) override;
  [[nodiscard]] Result<std::uint64_t> allocated_bytes() override;
  void drop_cache() override;
  [[nodiscard]] Status truncate(std::uint64_t size_bytes) override;

  [[nodiscard]] bool is_block_device() const { return is_block_device_; }
  // The logical sector size of a block device; 1 for a regular file. fallocate requires multiples
  // of it.
  [[nodiscard]] std::uint32_t sector_bytes() const { return sector_bytes_; }
  // Opened with exclusive_device.
  [[nodiscard]] bool is_exclusive() const { return exclusive_; }
  [[nodiscard]] bool is_writable() const { return access_flags_ == O_RDWR; }
  // For an image file that is open exclusively: the state when it was opened. For writing: whether
  // anything else had it open for writing; can be asked once, then it is unknown.
  [[nodiscard]] host::Answer take_other_writers() {
    return std::exchange(other_writers_, host::Answer::kUnknown);
  }
  // Nothing else had it open, not even for reading.
  [[nodiscard]] bool was_only_opener() const { return only_opener_; }

  // The descriptor that the file was opened with: for everything but unaligned transfers.
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool is_direct(std::uint64_t offset, std::uint64_t length,
                               const std::byte* address) const;
  // A descriptor without O_DIRECT, owned by the file; or a negative errno.
  [[nodiscard]] int buffered_fd();

  [[nodiscard]] ZeroMethod zero_method() const {
    return zero_method_.load(std::memory_order_relaxed);
  }
  // Records that the kernel refused `failed` on this file.
  void refuse_zero_method(ZeroMethod failed);

 private:
  LocalFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  [[nodiscard]] Status learn(const OpenOptions& options, const struct stat& status);
  [[nodiscard]] Status learn_block_device(const OpenOptions& options, dev_t device);
  void learn_alignment();

  std::string path_;
  UniqueFd fd_;
  std::unique_ptr<LoopHoles> loop_holes_;  // of an exclusive loop device; otherwise null
  int access_flags_ = 0;                   // O_RDONLY or O_RDWR
  bool is_block_device_ = false;
  bool exclusive_ = false;
  bool only_opener_ = false;
  host::Answer other_writers_ = host::Answer::kUnknown;
  host::DeviceNumber device_ = 0;  // of a block device
  bool direct_ = false;
  std::uint32_t sector_bytes_ = 1;
  std::uint32_t alignment_bytes_ = 1;
  std::uint32_t max_request_bytes_ = 0;
  std::atomic<ZeroMethod> zero_method_ = ZeroMethod::kPunch;
  std::mutex buffered_mutex_;
  UniqueFd buffered_;  // guarded by buffered_mutex_ until it is valid
};

}  // namespace blkrewind::io
