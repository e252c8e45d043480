#include "io/buffer_pool.h"

#include <sys/mman.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <utility>

namespace blkrewind::io {
namespace {

constexpr std::size_t kSlotAlignBytes = 4096;
constexpr std::size_t kHugePageBytes = 2 * kMiB;
constexpr std::size_t kKeptBytesMax = 32 * kMiB;

struct Mapping {
  void* address = nullptr;
  std::size_t bytes = 0;
};

// Released mappings, kept for later pools: an operation creates several, one after another, and the
// kernel clears every page that it hands out.
class KeptMappings {
 public:
  // The smallest mapping that is large enough; without an address if there is none. In that case
  // all others are unmapped, so that kept memory does not add to mapped memory.
  Mapping take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto best = kept_.end();
    for (auto at = kept_.begin(); at != kept_.end(); ++at) {
      if (at->bytes >= bytes && (best == kept_.end() || at->bytes < best->bytes)) best = at;
    }
    if (best == kept_.end()) {
      for (const Mapping& small : kept_) ::munmap(small.address, small.bytes);
      kept_.clear();
      kept_bytes_ = 0;
      return {};
    }
    const Mapping mapping = *best;
    kept_.erase(best);
    kept_bytes_ -= mapping.bytes;
    return mapping;
  }

  // False if that would exceed the limit on kept memory.
  bool keep(Mapping mapping) {
    const std::lock_guard lock(mutex_);
    if (kept_bytes_ + mapping.bytes > kKeptBytesMax) return false;
    kept_.push_back(mapping);
    kept_bytes_ += mapping.bytes;
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<Mapping> kept_;
  std::size_t kept_bytes_ = 0;
};

// Never destroyed: pools of static objects may be released after it would have been.
KeptMappings& kept_mappings() {
  static auto* const kept = new KeptMappings;
  return *kept;
}

Result<Mapping> map(std::size_t bytes) {
  if (const Mapping kept = kept_mappings().take(bytes); kept.address != nullptr) return kept;
  void* address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    return tl::unexpected(system_error(errno, "cannot map " + format_bytes(bytes) + " of buffers"));
  }
  // Huge pages make a 1 MiB request one segment instead of 256. Only advice: errors are ignored.
  if (bytes >= kHugePageBytes) ::madvise(address, bytes, MADV_HUGEPAGE);
  return Mapping{address, bytes};
}

}  // namespace

Result<BufferPool> BufferPool::make(std::uint32_t slots, std::uint32_t slot_bytes) {
  BufferPool pool;
  if (slots == 0) return pool;
  if (slot_bytes == 0 || slot_bytes % kSlotAlignBytes != 0) {
    return fail(Errc::kInvalidArgument, "a buffer slot of " + std::to_string(slot_bytes) +
                                            " bytes is not a multiple of 4096");
  }
  const std::size_t bytes = std::size_t{slots} * slot_bytes;
  BLKREWIND_ASSIGN(const Mapping mapping, map(bytes));
  pool.mapping_ = mapping.address;
  pool.mapping_bytes_ = mapping.bytes;

  pool.slots_.reserve(slots);
  auto* first = static_cast<std::byte*>(mapping.address);
  for (std::uint32_t index = 0; index < slots; ++index) {
    pool.slots_.push_back({index, first + std::size_t{index} * slot_bytes, slot_bytes});
  }
  return pool;
}

BufferPool::BufferPool(BufferPool&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(std::exchange(other.mapping_bytes_, 0)),
      slots_(std::move(other.slots_)) {}

BufferPool& BufferPool::operator=(BufferPool&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(slots_, other.slots_);
  return *this;
}

BufferPool::~BufferPool() {
  if (mapping_ == nullptr || kept_mappings().keep({mapping_, mapping_bytes_})) return;
  ::munmap(mapping_, mapping_bytes_);
}

std::optional<std::uint32_t> BufferPool::slot_of(const std::byte* data,
                                                 std::uint64_t length_bytes) const {
  const auto first = reinterpret_cast<std::uintptr_t>(mapping_);
  const auto wanted = reinterpret_cast<std::uintptr_t>(data);
  if (slots_.empty() || wanted < first) return std::nullopt;
  const std::size_t slot_bytes = slots_.front().size_bytes;
  if (wanted - first >= slots_.size() * slot_bytes) return std::nullopt;
  const std::size_t index = (wanted - first) / slot_bytes;
  if ((wanted - first) % slot_bytes + length_bytes > slot_bytes) return std::nullopt;
  return static_cast<std::uint32_t>(index);
}

std::span<const std::byte> zero_bytes() {
  // Mapped for the lifetime of the process: requests of any queue may point into it.
  static const std::span<const std::byte> zeroes = [] {
    void* mapping = ::mmap(nullptr, kMiB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return std::span<const std::byte>{};
    return std::span(static_cast<const std::byte*>(mapping), kMiB);
  }();
  return zeroes;
}

}  // namespace blkrewind::io
