// A file system with reflink on a loop device, an image on it, and the content of the image at its
// last snapshot, to compare the tracker with.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.h"
#include "support/loop_device.h"
#include "support/temp_dir.h"
#include "track/extents/extent_tracker.h"

namespace blkrewind::test {

inline constexpr std::uint64_t kExtentFsBytes = 320 * kMiB;  // mkfs.xfs refuses less than 300 MiB
inline constexpr std::uint64_t kImageBytes = 4 * kMiB;
inline constexpr std::uint64_t kExtentBlock = 4 * kKiB;

inline std::string read_bytes(const std::string& path, const Extent& range) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string bytes(range.length, '\0');
  const ssize_t got =
      ::pread(fd.get(), bytes.data(), range.length, static_cast<off_t>(range.offset));
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

inline std::string random_bytes(std::mt19937_64& random, std::size_t length) {
  std::string bytes(length, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

inline void write_bytes(const std::string& path, std::uint64_t offset, const std::string& bytes) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("cannot write " + path);
  }
}

inline void set_flag(const std::string& path, int flag, bool on) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  int flags = 0;
  if (::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) throw std::runtime_error("flags " + path);
  flags = on ? flags | flag : flags & ~flag;
  if (::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) != 0) throw std::runtime_error("flags " + path);
}

class ExtentSystem : public testing::Test {
 protected:
  // False: skip, with the reason in `skipped`.
  bool make_file_system(const std::string& type, const std::string& options = {}) {
    if (!have_root_and_loop()) {
      skipped = "needs root and loop devices";
      return false;
    }
    try {
      run_program({"sh", "-c", "command -v mkfs." + type});
    } catch (const std::runtime_error&) {
      skipped = "needs mkfs." + type;
      return false;
    }
    type_ = type;
    lower_ = directory_.file("fs");
    make_sparse_file(lower_, kExtentFsBytes);
    if (type == "xfs") run_program({"mkfs.xfs", "-q", "-f", "-m", "reflink=1", lower_});
    if (type == "btrfs") run_program({"mkfs.btrfs", "-q", "-f", lower_});
    if (type == "ext4") run_program({"mkfs.ext4", "-q", "-F", lower_});
    mount_point_ = directory_.file("mount");
    std::filesystem::create_directory(mount_point_);
    mount_options_ = options;
    try {
      mount();
    } catch (const std::runtime_error& error) {
      skipped = error.what();
      return false;
    }
    image_ = mount_point_ + "/disk.img";
    return true;
  }

  void mount() {
    lower_loop_.emplace(LoopDevice::make(lower_, kExtentFsBytes));
    mount_ = std::make_unique<Mount>(lower_loop_->path(), mount_point_, type_, mount_options_);
  }
  void unmount() {
    loop_.reset();
    mount_.reset();
    lower_loop_.reset();
  }
  void remount() {
    const bool had_loop = loop_.has_value();
    unmount();
    mount();
    if (had_loop) attach();
  }
  // The power fails in the first, with whatever is open then, and returns in the second: only data
  // that the file system has written by then remains. Nothing may be open in between.
  void cut_power() { run_program({"cp", "--sparse=always", lower_, lower_ + ".cut"}); }
  void restore_power() {
    const bool had_loop = loop_.has_value();
    unmount();
    std::filesystem::rename(lower_ + ".cut", lower_);
    mount();
    if (had_loop) attach();
  }

  void make_image(std::uint64_t bytes = kImageBytes, bool no_cow = false) {
    make_sparse_file(image_, 0);
    if (no_cow) set_flag(image_, FS_NOCOW_FL, true);
    if (::truncate(image_.c_str(), static_cast<off_t>(bytes)) != 0) {
      throw std::runtime_error("cannot size " + image_);
    }
    range_ = {0, bytes};
    std::mt19937_64 random(5);
    write_bytes(image_, 0, random_bytes(random, bytes / 2));
    disk_ = {.store_uuid = "7A3D9C61-0000-4000-8000-000000000001",
             .disk_id = "d-abc123",
             .path = image_,
             .device_bytes = bytes,
             .chunk_bytes = 64 * kKiB,
             .kept_at = image_};
  }
  // A loop device over the disk's part of the image.
  void attach() {
    LoopOptions options;
    options.offset_bytes = range_.offset;
    options.size_limit_bytes = range_.length;
    loop_.emplace(LoopDevice::make(image_, 0, 512, options));
    disk_.path = loop_->path();
  }
  void detach() {
    loop_.reset();
    disk_.path = image_;
  }

  std::unique_ptr<track::Tracker> find() {
    auto found = track::find_extents(disk_);
    EXPECT_TRUE(found) << found.error().to_string();
    return found ? std::move(*found) : nullptr;
  }
  void start() {
    const Status started = track::start_extents(disk_);
    ASSERT_TRUE(started) << started.error().to_string();
  }

  // The result of begin(): empty if changed() is valid.
  std::string begin(track::Tracker& tracker, track::TrackUse use = track::TrackUse::kRead) {
    const auto begun = tracker.begin(base_snapshot_, use);
    if (!begun) {
      ADD_FAILURE() << begun.error().to_string();
      return "error";
    }
    return begun->value_or("");
  }

  // A whole snapshot: the current content of the image becomes the base.
  void take(const std::string& id) {
    const auto tracker = find();
    ASSERT_NE(tracker, nullptr);
    static_cast<void>(begin(*tracker));
    finish(*tracker, id);
  }
  void finish(track::Tracker& tracker, const std::string& id) {
    remember();
    const Status prepared = tracker.prepare(id, track::Collected::kDropped);
    ASSERT_TRUE(prepared) << prepared.error().to_string();
    base_snapshot_ = id;
    const Status committed = tracker.commit();
    ASSERT_TRUE(committed) << committed.error().to_string();
  }
  void remember() { base_ = content(); }
  // The disk's bytes, read from the file: a device's cache does not notice writes to it.
  std::string content() {
    if (loop_) {
      const UniqueFd device(::open(loop_->path().c_str(), O_RDONLY | O_CLOEXEC));
      EXPECT_EQ(::fsync(device.get()), 0);
    }
    return read_bytes(image_, range_);
  }

  std::vector<Extent> changed(track::Tracker& tracker) {
    std::vector<Extent> extents;
    for (std::uint64_t at = 0;;) {
      const auto found = tracker.changed(at);
      if (!found) {
        ADD_FAILURE() << found.error().to_string();
        return extents;
      }
      if (found->empty()) return extents;
      EXPECT_GE(found->offset, at);
      EXPECT_LE(found->end(), range_.length);
      extents.push_back(*found);
      at = found->end();
    }
  }
  static std::uint64_t total(const std::vector<Extent>& extents) {
    std::uint64_t bytes = 0;
    for (const Extent& extent : extents) bytes += extent.length;
    return bytes;
  }

  // Every byte that differs from the base is in one of them.
  void expect_all_in(const std::vector<Extent>& extents, const std::string& now,
                     const std::string& what) {
    ASSERT_EQ(now.size(), base_.size()) << what;
    std::uint64_t at = 0;
    const auto same_until = [&](std::uint64_t end) {
      for (std::uint64_t i = at; i < end; ++i) {
        if (now[i] != base_[i]) return i;
      }
      return end;
    };
    for (const Extent& extent : extents) {
      ASSERT_EQ(same_until(extent.offset), extent.offset) << what << ": a missed change";
      at = extent.end();
    }
    ASSERT_EQ(same_until(now.size()), now.size()) << what << ": a missed change";
  }

  // begin() as for a snapshot, compare, abandon; returns how much is reported as changed.
  std::uint64_t check(const std::string& what) {
    const auto tracker = find();
    EXPECT_NE(tracker, nullptr) << what;
    if (tracker == nullptr) return 0;
    EXPECT_EQ(begin(*tracker), "") << what;
    EXPECT_EQ(clones().size(), 1U) << what;
    EXPECT_TRUE(read_bytes(clones().front(), range_) == base_) << what << ": the clone is the base";
    const std::string now = content();
    const auto extents = changed(*tracker);
    expect_all_in(extents, now, what);
    EXPECT_EQ(changed(*tracker), extents) << what << ": the same when asked again";
    EXPECT_TRUE(tracker->abandon()) << what;
    return total(extents);
  }
  track::TrackerState state() {
    auto found = track::extents_state(disk_, base_snapshot_);
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : track::TrackerState{};
  }
  std::string why_not(track::TrackUse use = track::TrackUse::kRead) {
    const auto tracker = find();
    if (tracker == nullptr) return "not tracked";
    return begin(*tracker, use);
  }

  // The clones that exist.
  std::vector<std::string> clones() {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(mount_point_)) {
      if (entry.path().filename().string().find(".blkrewind-") != std::string::npos) {
        found.push_back(entry.path().string());
      }
    }
    std::ranges::sort(found);
    return found;
  }

  std::string skipped;
  TempDir directory_;
  std::string type_;
  std::string lower_;
  std::string mount_point_;
  std::string mount_options_;
  std::optional<LoopDevice> lower_loop_;
  std::unique_ptr<Mount> mount_;
  std::string image_;
  std::optional<LoopDevice> loop_;
  Extent range_;
  track::TrackedDisk disk_;
  std::string base_snapshot_;
  std::string base_;
};

// On each file system with reflink.
class ReflinkSystem : public ExtentSystem, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (!make_file_system(GetParam())) GTEST_SKIP() << skipped;
    make_image();
  }
};

}  // namespace blkrewind::test
