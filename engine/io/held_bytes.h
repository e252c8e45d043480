// Parts of a device that were read into locked memory, as a File of the whole device.
//
// All memory is allocated, touched and locked by make(); after that none of the calls allocates,
// so that they can be made while file systems are frozen. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "io/env.h"

namespace blkrewind::io {

class HeldBytes final : public ServedFile {
 public:
  // `path`, `size_bytes`: of the device. `room_bytes`: how much can be held. kNoSpace: so much
  // memory cannot be had, or not be locked.
  [[nodiscard]] static Result<std::unique_ptr<HeldBytes>> make(std::string path,
                                                               std::uint64_t size_bytes,
                                                               std::size_t room_bytes);
  ~HeldBytes() override;

  // Makes room for an extent, behind those that are held already. Returns where its bytes go; null:
  // there is no room for it.
  [[nodiscard]] std::byte* add(const Extent& extent);
  void clear();
  // The first extent at or after `offset` that is held; empty: none.
  [[nodiscard]] Extent held(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t room_bytes() const { return memory_.size(); }
  [[nodiscard]] std::uint64_t held_bytes() const { return used_; }

  // EINVAL: not a read, or not of bytes that are held.
  [[nodiscard]] Completion serve(const Request& request) override;

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint32_t alignment_bytes() const override { return 1; }
  [[nodiscard]] std::uint32_t max_request_bytes() const override { return 1 * kMiB; }
  [[nodiscard]] Result<std::uint64_t> size_bytes() override { return size_bytes_; }
  [[nodiscard]] Result<Extent> next_data(std::uint64_t offset) override {
    return Extent{offset, size_bytes_ - offset};
  }
  [[nodiscard]] Status truncate(std::uint64_t size_bytes) override;

 private:
  HeldBytes(std::string path, std::uint64_t size_bytes, std::size_t room_bytes);

  // Neighbours are one part: its bytes are contiguous in memory, too.
  struct Part {
    Extent extent;
    std::size_t at = 0;  // in memory_
  };
  // The first part that ends behind `offset`.
  [[nodiscard]] std::vector<Part>::const_iterator find(std::uint64_t offset) const;

  const std::string path_;
  const std::uint64_t size_bytes_;
  AlignedBuffer memory_;
  bool locked_ = false;
  std::size_t used_ = 0;
  std::vector<Part> parts_;
};

}  // namespace blkrewind::io
