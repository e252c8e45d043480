// Memory for direct I/O: page-aligned, owned by the buffer, uninitialised until the caller writes
// to it.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "blkrewind/units.h"

namespace blkrewind {

class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 4096;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size_bytes)
      : data_(static_cast<std::byte*>(
            ::operator new (align_up(size_bytes, kAlignment), std::align_val_t{kAlignment}))),
        size_bytes_(size_bytes) {}

  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_bytes_; }
  [[nodiscard]] std::span<std::byte> span() { return {data_.get(), size_bytes_}; }
  [[nodiscard]] std::span<const std::byte> span() const { return {data_.get(), size_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const {
      ::operator delete (data, std::align_val_t{kAlignment});
    }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_bytes_ = 0;
};

}  // namespace blkrewind
