// The memory of a queue's slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "blkrewind/error.h"
#include "io/queue.h"

namespace blkrewind::io {

// One anonymous mapping split into slots of equal size. The kernel allocates its pages on first
// use, so a pool that is barely used is cheap. Up to 32 MiB of mappings are kept by the process for
// later pools, so the initial content of a slot is undefined. Belongs to one thread.
class BufferPool {
 public:
  // `slot_bytes`: a multiple of 4096 (kInvalidArgument otherwise); ignored when `slots` is 0.
  [[nodiscard]] static Result<BufferPool> make(std::uint32_t slots, std::uint32_t slot_bytes);
  BufferPool() = default;
  BufferPool(BufferPool&& other) noexcept;
  BufferPool& operator=(BufferPool&& other) noexcept;
  ~BufferPool();

  [[nodiscard]] std::span<const Slot> slots() const { return slots_; }
  // The index of the slot that contains all of [data, data + length_bytes).
  [[nodiscard]] std::optional<std::uint32_t> slot_of(const std::byte* data,
                                                     std::uint64_t length_bytes) const;

 private:
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::vector<Slot> slots_;
};

// At least 1 MiB of zero bytes, page-aligned, shared by all users, never written, and without
// memory of its own (the kernel's zero page). An empty span if it could not be mapped.
[[nodiscard]] std::span<const std::byte> zero_bytes();

}  // namespace blkrewind::io
