#include "support/sparse_bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace blkrewind::sim {

void SparseBytes::resize(std::uint64_t size_bytes) {
  if (size_bytes < size_bytes_) {
    zero({size_bytes, size_bytes_ - size_bytes});
  }
  size_bytes_ = size_bytes;
}

void SparseBytes::read(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t at = offset + done;
    const std::size_t in_page = at % kPageBytes;
    const std::size_t length = std::min(kPageBytes - in_page, out.size() - done);
    if (const Page* page = find(at / kPageBytes)) {
      std::memcpy(out.data() + done, page->bytes.data() + in_page, length);
    } else {
      std::memset(out.data() + done, 0, length);
    }
    done += length;
  }
}

void SparseBytes::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::uint64_t at = offset + done;
    const std::size_t in_page = at % kPageBytes;
    const std::size_t length = std::min(kPageBytes - in_page, bytes.size() - done);
    std::memcpy(own_page(at / kPageBytes).bytes.data() + in_page, bytes.data() + done, length);
    done += length;
  }
  if (!bytes.empty()) {
    size_bytes_ = std::max(size_bytes_, offset + bytes.size());
  }
}

void SparseBytes::zero(Extent extent) {
  if (extent.empty() || extent.offset >= size_bytes_) {
    return;
  }
  // Up to the end of the last page if the extent reaches the end: only zeroes follow.
  const std::uint64_t end = extent.length >= size_bytes_ - extent.offset
                                ? align_up(size_bytes_, kPageBytes)
                                : extent.end();
  auto it = regions_.lower_bound(extent.offset / kRegionBytes);
  while (it != regions_.end() && it->first * kRegionBytes < end) {
    const std::uint64_t region_begin = it->first * kRegionBytes;
    const std::uint64_t first = std::max(extent.offset, region_begin);
    const std::uint64_t last = std::min(end, region_begin + kRegionBytes);
    if (last - first == kRegionBytes) {
      it = regions_.erase(it);
      continue;
    }
    zero_in_region(it->first, it->second, {first, last - first});
    ++it;
  }
}

void SparseBytes::zero_in_region(std::uint64_t region_index, std::shared_ptr<Region>& region,
                                 Extent extent) {
  std::uint64_t at = extent.offset;
  while (at < extent.end()) {
    const std::uint64_t page = at / kPageBytes;
    const std::uint64_t stop = std::min(extent.end(), (page + 1) * kPageBytes);
    const std::size_t slot = page - region_index * kRegionPages;
    if (region->pages.at(slot)) {
      if (stop - at == kPageBytes) {
        own_region(region).pages.at(slot).reset();
      } else {
        std::memset(own_page(page).bytes.data() + at % kPageBytes, 0, stop - at);
      }
    }
    at = stop;
  }
}

Extent SparseBytes::next_data(std::uint64_t offset) const {
  std::uint64_t first = 0;
  if (offset >= size_bytes_ || !find_next(offset / kPageBytes, first)) {
    return {size_bytes_, 0};
  }
  std::uint64_t last = first + 1;
  while (find(last) != nullptr) {
    ++last;
  }
  const std::uint64_t begin = std::max(offset, first * kPageBytes);
  return {begin, std::min(last * kPageBytes, size_bytes_) - begin};
}

std::uint64_t SparseBytes::allocated_bytes() const {
  std::uint64_t pages = 0;
  for (const auto& [index, region] : regions_) {
    for (const auto& page : region->pages) {
      pages += page ? 1 : 0;
    }
  }
  return pages * kPageBytes;
}

std::uint64_t SparseBytes::fingerprint() const {
  std::uint64_t sum = size_bytes_;
  for (const auto& [index, region] : regions_) {
    for (std::uint64_t slot = 0; slot < kRegionPages; ++slot) {
      const Page* page = region->pages.at(slot).get();
      if (page == nullptr) continue;
      if (page->fingerprint == 0) {
        page->fingerprint = XXH3_64bits(page->bytes.data(), page->bytes.size()) | 1U;
      }
      const std::array<std::uint64_t, 3> link = {sum, index * kRegionPages + slot,
                                                 page->fingerprint};
      sum = XXH3_64bits(link.data(), sizeof link);
    }
  }
  return sum;
}

const SparseBytes::Page* SparseBytes::find(std::uint64_t page) const {
  const auto it = regions_.find(page / kRegionPages);
  return it == regions_.end() ? nullptr : it->second->pages.at(page % kRegionPages).get();
}

bool SparseBytes::find_next(std::uint64_t page, std::uint64_t& found) const {
  for (auto it = regions_.lower_bound(page / kRegionPages); it != regions_.end(); ++it) {
    const std::uint64_t begin = it->first * kRegionPages;
    for (std::uint64_t slot = page > begin ? page - begin : 0; slot < kRegionPages; ++slot) {
      if (it->second->pages.at(slot)) {
        found = begin + slot;
        return true;
      }
    }
  }
  return false;
}

SparseBytes::Region& SparseBytes::own_region(std::shared_ptr<Region>& region) {
  if (!region) {
    region = std::make_shared<Region>();
  } else if (region.use_count() > 1) {
    region = std::make_shared<Region>(*region);
  }
  return *region;
}

SparseBytes::Page& SparseBytes::own_page(std::uint64_t page) {
  // First a separate region: cloning it makes its pages count as shared.
  auto& slot = own_region(regions_[page / kRegionPages]).pages.at(page % kRegionPages);
  if (!slot) {
    slot = std::make_shared<Page>();
  } else if (slot.use_count() > 1) {
    slot = std::make_shared<Page>(*slot);
  }
  slot->fingerprint = 0;
  return *slot;
}

}  // namespace blkrewind::sim
