#include "tracking/judge.h"

#include <cstring>
#include <utility>
#include <vector>

#include "track/bitmap/bitmap_tracker.h"

namespace blkrewind::tracking {

void Tally::add(const Tally& other) {
  rounds += other.rounds;
  barriers += other.barriers;
  snapshots += other.snapshots;
  rollbacks += other.rollbacks;
  deaths += other.deaths;
  abandoned += other.abandoned;
  marked += other.marked;
  changed += other.changed;
  bytes += other.bytes;
  writes += other.writes;
}

track::TrackedDisk tracked_disk(const Stage& stage, const std::string& store,
                                const std::string& disk) {
  return {store, disk, stage.tracked(), stage.bytes(), kChunkBytes};
}

Judge::Judge(const Stage& stage, track::TrackedDisk disk)
    : stage_(stage), disk_(std::move(disk)), now_(stage.bytes()) {}

void Judge::look(const std::string& base_snapshot, const std::byte* base, const std::string& lately,
                 Tally& tally) {
  stage_.flush();
  const auto tracker = track::find_bitmap(disk_);
  if (!tracker || !*tracker) throw Broken("the tracker is gone; " + lately);
  const auto why = (*tracker)->begin(base_snapshot, track::TrackUse::kRead);
  if (!why) throw Broken(why.error().to_string() + "; " + lately);
  if (*why) throw Broken("the tracker is not valid: " + **why + "; " + lately);
  std::vector<bool> marks((stage_.bytes() + kChunkBytes - 1) / kChunkBytes);
  for (std::uint64_t at = 0;;) {
    const auto extent = (*tracker)->changed(at);
    if (!extent) throw Broken(extent.error().to_string());
    if (extent->empty()) break;
    for (std::uint64_t i = extent->offset / kChunkBytes; i * kChunkBytes < extent->end(); ++i) {
      marks[i] = true;
    }
    at = extent->end();
  }
  if (!(*tracker)->abandon()) throw Broken("abandon");

  stage_.read(now_.data());
  std::string missed;
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < marks.size(); ++i) {
    const std::uint64_t at = i * kChunkBytes;
    const std::uint64_t length = std::min(kChunkBytes, stage_.bytes() - at);
    const bool differs = std::memcmp(now_.data() + at, base + at, length) != 0;
    tally.marked += marks[i] ? 1 : 0;
    tally.changed += differs ? 1 : 0;
    if (!differs || marks[i]) continue;
    if (++count <= 16) missed += " " + std::to_string(i);
  }
  ++tally.barriers;
  if (count != 0) {
    throw Broken(std::to_string(count) + " chunks differ from the base and have no mark:" + missed +
                 "; " + lately);
  }
}

}  // namespace blkrewind::tracking
