#include "track/bitmap/dirty_bits_tracker.h"

#include <algorithm>
#include <utility>

namespace blkrewind::track {

DirtyBitsTracker::DirtyBitsTracker(blkrewind_control& control, std::span<std::uint64_t> bits,
                                   std::span<blkrewind_bucket> under_way,
                                   std::uint64_t device_bytes, std::function<Status()> flush)
    : generations_(control, bits, under_way),
      granule_shift_(control.granule_shift),
      device_bytes_(device_bytes),
      flush_(std::move(flush)) {}

DirtyBitsTracker::~DirtyBitsTracker() {
  if (begun_) generations_.abandon();
}

Result<std::optional<std::string>> DirtyBitsTracker::begin(const std::string& base_snapshot,
                                                           TrackUse use) {
  BLKREWIND_TRY(flush_());
  begun_ = true;
  return generations_.begin(base_snapshot, use == TrackUse::kWrite);
}

Result<Extent> DirtyBitsTracker::changed(std::uint64_t offset) {
  const Extent marks = generations_.marked(offset >> granule_shift_);
  const std::uint64_t first = std::max(marks.offset << granule_shift_, offset);
  const std::uint64_t end = std::min(marks.end() << granule_shift_, device_bytes_);
  return first < end ? Extent{first, end - first} : Extent{};
}

Status DirtyBitsTracker::prepare(const std::string& id, Collected before) {
  generations_.prepare(id, before == Collected::kKept);
  return {};
}

Status DirtyBitsTracker::commit() {
  if (std::exchange(begun_, false)) generations_.commit();
  return {};
}

Status DirtyBitsTracker::abandon() {
  if (std::exchange(begun_, false)) generations_.abandon();
  return {};
}

Status DirtyBitsTracker::distrust(const std::string& why) {
  begun_ = false;
  generations_.forget(why);
  return {};
}

}  // namespace blkrewind::track
