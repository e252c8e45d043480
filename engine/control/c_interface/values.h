// Receipts and infos as C structs, and the memory that they point to.
#pragma once

#include <cstddef>
#include <memory>
#include <memory_resource>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "blkrewind/blkrewind.h"
#include "blkrewind/engine.h"

namespace blkrewind::c_interface {

// Owns the texts and arrays of structs.
class Arena {
 public:
  [[nodiscard]] const char* text(std::string_view from);
  // Not initialised, and never destroyed.
  template <class T>
  [[nodiscard]] T* array(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return std::pmr::polymorphic_allocator<T>(&memory_).allocate(count);
  }
  // Pointers to what each element of `from` is as `Shown`.
  template <class Shown, class From>
  [[nodiscard]] const Shown* const* each(const std::vector<From>& from);

 private:
  std::pmr::monotonic_buffer_resource memory_;
};

[[nodiscard]] blkrewind_snapshot_info shown(Arena& arena, const SnapshotInfo& from);
[[nodiscard]] blkrewind_snapshot_receipt shown(Arena& arena, const SnapshotReceipt& from);
[[nodiscard]] blkrewind_delete_receipt shown(Arena& arena, const DeleteReceipt& from);
[[nodiscard]] blkrewind_rollback_receipt shown(Arena& arena, const RollbackReceipt& from);
[[nodiscard]] blkrewind_tracker_info shown(Arena& arena, const TrackerInfo& from);
[[nodiscard]] blkrewind_tracking_info shown(Arena& arena, const TrackingInfo& from);
// `trouble`: that of the disk, or null; it outlives what is returned.
[[nodiscard]] blkrewind_disk_info shown(Arena& arena, const DiskInfo& from,
                                        const blkrewind_error* trouble);

template <class Shown, class From>
const Shown* const* Arena::each(const std::vector<From>& from) {
  auto* const values = array<Shown>(from.size());
  auto* const pointers = array<const Shown*>(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    pointers[i] = new (values + i) Shown(shown(*this, from[i]));
  }
  return pointers;
}

// In front of each value that blkrewind_free() takes.
inline constexpr std::size_t kArenaSpace = (sizeof(Arena) + alignof(std::max_align_t) - 1) /
                                           alignof(std::max_align_t) * alignof(std::max_align_t);

// Makes `from` a value of the caller's; nothing for a caller that does not ask for it.
template <class Shown, class From>
void hand_out(const From& from, Shown** to) {
  static_assert(std::is_trivially_destructible_v<Shown>);
  if (to == nullptr) return;
  auto* const memory = static_cast<std::byte*>(::operator new(kArenaSpace + sizeof(Shown)));
  auto* const arena = new (memory) Arena;
  std::unique_ptr<Shown, void (*)(const void*)> value(new (memory + kArenaSpace) Shown,
                                                      blkrewind_free);
  *value = shown(*arena, from);
  *to = value.release();
}

// A result that the caller finds NULL after a failure.
template <class T>
void clear(T** result) {
  if (result != nullptr) *result = nullptr;
}

}  // namespace blkrewind::c_interface
