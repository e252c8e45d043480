// A device that the kernel tracks, a copy of it at the time of the base snapshot, and the check:
// where it differs from the copy, it is dirty.
#pragma once

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "blkrewind/engine.h"
#include "system/device_fixture.h"
#include "track/bitmap/bitmap_tracker.h"

namespace blkrewind::test {

using Chunks = std::set<std::uint64_t>;

[[nodiscard]] inline UniqueFd opened(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) throw std::runtime_error("open " + path + ": " + std::strerror(errno));
  return fd;
}

inline void flush_node(const std::string& path) {
  if (::fsync(opened(path, O_RDONLY).get()) != 0) throw std::runtime_error("flush " + path);
}

// The content of the medium, and the dirty pages in the cache of this node.
[[nodiscard]] inline AlignedBuffer read_device(const std::string& path) {
  const UniqueFd fd = opened(path, O_RDONLY | O_DIRECT);
  std::uint64_t size = 0;
  if (::ioctl(fd.get(), BLKGETSIZE64, &size) != 0) throw std::runtime_error("size of " + path);
  AlignedBuffer content(size);
  for (std::uint64_t at = 0; at < size;) {
    const ssize_t got = ::pread(fd.get(), content.data() + at, std::min(size - at, 4 * kMiB),
                                static_cast<off_t>(at));
    if (got <= 0) throw std::runtime_error("read " + path + ": " + std::strerror(errno));
    at += static_cast<std::uint64_t>(got);
  }
  return content;
}

[[nodiscard]] inline Chunks chunks_of(const std::vector<Extent>& extents,
                                      std::uint64_t chunk_bytes) {
  Chunks chunks;
  for (const Extent& extent : extents) {
    for (std::uint64_t at = extent.offset / chunk_bytes; at * chunk_bytes < extent.end(); ++at) {
      chunks.insert(at);
    }
  }
  return chunks;
}

[[nodiscard]] inline Chunks differing(const AlignedBuffer& one, const AlignedBuffer& two,
                                      std::uint64_t chunk_bytes) {
  if (one.size() != two.size()) throw std::runtime_error("another size");
  Chunks chunks;
  for (std::uint64_t at = 0; at < one.size(); at += chunk_bytes) {
    const std::uint64_t length = std::min<std::uint64_t>(chunk_bytes, one.size() - at);
    if (std::memcmp(one.data() + at, two.data() + at, length) != 0) chunks.insert(at / chunk_bytes);
  }
  return chunks;
}

[[nodiscard]] inline SnapshotOptions named(const std::string& name,
                                           ChangeSource source = ChangeSource::kAuto,
                                           std::uint32_t chunk_bytes = 0) {
  SnapshotOptions options;
  options.name = name;
  options.change_source = source;
  options.chunk_bytes_given = chunk_bytes != 0;
  if (chunk_bytes != 0) options.chunk_bytes = chunk_bytes;
  return options;
}

class TrackedSystem : public DeviceSystem {
 protected:
  static std::unique_ptr<Engine> open_store(const std::string& store) {
    OpenOptions options;
    options.store = store;
    options.create = true;
    options.threads = 1;
    auto engine = Engine::open(options);
    if (!engine) throw std::runtime_error(engine.error().to_string());
    return std::make_unique<Engine>(std::move(*engine));
  }

  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    engine_ = open_store(store_);
  }

  void TearDown() override {
    if (!engine_) return;
    if (const auto disks = engine_->disks()) {
      for (const DiskInfo& disk : *disks) (void)engine_->stop_tracking(disk.id);
    }
  }

  // Starts to track the device, and takes the base snapshot. False: the kernel does not support it;
  // why_ says what is missing.
  bool track(const std::string& path, std::uint32_t chunk_bytes = kDefaultChunkBytes) {
    path_ = path;
    const SnapshotOptions options = named("base_snapshot", ChangeSource::kAuto, chunk_bytes);
    const auto tracking = engine_->start_tracking(path, ChangeSource::kBitmap, options);
    if (!tracking) {
      why_ = tracking.error().to_string();
      if (tracking.error().code != Errc::kUnsupported) ADD_FAILURE() << why_;
      return false;
    }
    const auto taken = engine_->snapshot(path, options);
    EXPECT_TRUE(taken) << taken.error().to_string();
    copy_ = read_device(path);
    return true;
  }

  [[nodiscard]] track::TrackedDisk tracked() const {
    const auto disk = engine_->disk(path_);
    const auto store = engine_->store_info();
    if (!disk || !store) throw std::runtime_error("no disk");
    return {store->uuid, disk->id, path_, disk->device_bytes, disk->chunk_bytes};
  }
  [[nodiscard]] std::uint64_t chunk_bytes() const { return tracked().chunk_bytes; }
  [[nodiscard]] std::string base_snapshot() const {
    return engine_->disk(path_)->anchor_snapshot_id;
  }

  // The changes that an operation starting now would see.
  [[nodiscard]] Chunks marked() const {
    const track::TrackedDisk disk = tracked();
    const auto tracker = track::find_bitmap(disk);
    if (!tracker || !*tracker) throw std::runtime_error("not tracked");
    const auto why = (*tracker)->begin(base_snapshot(), track::TrackUse::kRead);
    EXPECT_TRUE(why) << why.error().to_string();
    EXPECT_TRUE(why && !*why) << (why && *why ? **why : "");
    std::vector<Extent> extents;
    std::uint64_t at = 0;
    while (true) {
      const auto extent = (*tracker)->changed(at);
      if (!extent) throw std::runtime_error(extent.error().to_string());
      if (extent->empty()) break;
      extents.push_back(*extent);
      at = extent->end();
    }
    EXPECT_TRUE((*tracker)->abandon());
    return chunks_of(extents, disk.chunk_bytes);
  }

  [[nodiscard]] Chunks changed() const {
    return differing(read_device(path_), copy_, chunk_bytes());
  }

  // The check. Returns the dirty extents.
  Chunks expect_nothing_missed() const {
    Chunks marks = marked();
    std::string missed;
    for (const std::uint64_t chunk : changed()) {
      if (!marks.contains(chunk)) missed += " " + std::to_string(chunk);
    }
    EXPECT_TRUE(missed.empty()) << "changed without a mark: chunks" << missed;
    return marks;
  }

  // First with the tracker, and then by reading everything.
  void expect_rolls_back() const {
    const auto done = engine_->rollback(path_, base_snapshot_name_,
                                        {.change_source = ChangeSource::kBitmap, .paranoid = true});
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->change_source, "bitmap");
    EXPECT_TRUE(done->rechecked_bytes);
    EXPECT_EQ(changed(), Chunks());
    EXPECT_EQ(marked(), Chunks()) << "only the rollback itself has written";
  }

  // As in `track status`.
  [[nodiscard]] TrackerInfo state(const std::string& target = {}) const {
    const auto tracking = engine_->tracking(target.empty() ? path_ : target);
    EXPECT_TRUE(tracking) << tracking.error().to_string();
    if (!tracking || tracking->trackers.size() != 1) return {};
    return tracking->trackers.front();
  }

  std::unique_ptr<Engine> engine_;
  std::string path_;
  std::string why_;
  std::string base_snapshot_name_ = "base_snapshot";
  AlignedBuffer copy_;  // of the device, at the base snapshot
};

}  // namespace blkrewind::test
