// The bytes of one simulated file: sparse, and cheap to copy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "blkrewind/units.h"

namespace blkrewind::sim {

// A value. Copies share their pages until one of them writes, so that a device of several TiB costs
// what was written to it and a copy costs a few pointers. Not synchronized; copies that share pages
// must not be *written* by two threads at once.
class SparseBytes {
 public:
  static constexpr std::size_t kPageBytes = 4096;

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // The part that was cut off reads as zeroes when the size grows again.
  void resize(std::uint64_t size_bytes);

  // Bytes beyond the size are zeroes.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  // Grows the size when the bytes end beyond it.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  // Whole pages become holes. Never changes the size.
  void zero(Extent extent);

  // The first run of pages that are not holes at or after `offset`, clipped to the size;
  // {size, 0} when there is none.
  [[nodiscard]] Extent next_data(std::uint64_t offset) const;
  // Of the pages that are not holes.
  [[nodiscard]] std::uint64_t allocated_bytes() const;
  [[nodiscard]] bool is_hole(std::uint64_t offset) const {
    return find(offset / kPageBytes) == nullptr;
  }

  // Of the size, the bytes, and which pages are holes. Each page is read once, however many copies
  // share it.
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  static constexpr std::uint64_t kRegionPages = 64;
  static constexpr std::uint64_t kRegionBytes = kRegionPages * kPageBytes;

  struct Page {
    std::array<std::byte, kPageBytes> bytes{};
    mutable std::uint64_t fingerprint = 0;  // 0: not known
  };
  struct Region {
    std::array<std::shared_ptr<Page>, kRegionPages> pages;
  };

  [[nodiscard]] const Page* find(std::uint64_t page) const;
  // The first page at or after `page` that is not a hole; false when there is none.
  [[nodiscard]] bool find_next(std::uint64_t page, std::uint64_t& found) const;
  Region& own_region(std::shared_ptr<Region>& region);
  Page& own_page(std::uint64_t page);
  void zero_in_region(std::uint64_t region_index, std::shared_ptr<Region>& region, Extent extent);

  // Bytes of the last page beyond the size are always zero.
  std::map<std::uint64_t, std::shared_ptr<Region>> regions_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace blkrewind::sim
