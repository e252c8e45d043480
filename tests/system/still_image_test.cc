// Snapshots of image files while others use them: a clone on file systems that share blocks.
#ifdef BLKREWIND_PROGRAM

#include <fstream>
#include <thread>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

class StillImage : public DeviceSystem, public ::testing::WithParamInterface<const char*> {
 protected:
  // An image with ext4 on a file system of that type, mounted through a loop device.
  void mount_image() {
    const std::string type = GetParam();
    try {
      run_program({"sh", "-c", "command -v mkfs." + type});
    } catch (const std::exception&) {
      GTEST_SKIP() << "needs mkfs." << type;
    }
    host_.emplace(make_disk("host.img", 320 * kMiB));  // mkfs.xfs wants 300
    run_program({"mkfs." + type, "-q", "-f", host_->path()});
    host_mount_.emplace(host_->path(), make_directory("host"), type);
    image_ = host_mount_->path() + "/disk.img";
    loop_.emplace(LoopDevice::make(image_, 64 * kMiB, 512));
    run_program({"mkfs.ext4", "-q", loop_->path()});
    mount_.emplace(loop_->path(), make_directory("mount"), "ext4");
  }

  std::string image_;
  std::optional<LoopDevice> host_;
  std::optional<Mount> host_mount_;
  std::optional<LoopDevice> loop_;
  std::optional<Mount> mount_;
};

// Two files are written one after the other, again and again: the second never is ahead.
TEST_P(StillImage, IsOfOneInstantAndClean) {
  mount_image();
  if (IsSkipped()) return;
  std::atomic<bool> stop = false;
  const std::string folder = mount_->path();
  std::thread writer([&] {
    for (std::uint64_t number = 1; !stop; ++number) {
      write_noise(folder + "/first", number % 64 * 4096, 4096, number);
      write_noise(folder + "/second", number % 64 * 4096, 4096, number);
    }
  });
  const json taken = ask({"snapshot", image_, "--name", "at-work", "--freeze-limit", "30s"});
  stop = true;
  writer.join();
  EXPECT_EQ(taken.value("taken", ""), "frozen");
  EXPECT_EQ(taken.at("frozen"), json::array({folder}));
  const json listed = only_disk().at("snapshots").at(0);
  EXPECT_EQ(listed.value("taken", ""), "frozen");
  EXPECT_GT(listed.value("frozen_us", 0), 0);
  ask({"export", "at-work", file("copy.img")});
  run_program({"e2fsck", "-f", "-n", file("copy.img")});
  // Nothing is left beside the image, and nothing is frozen.
  write_noise(folder + "/third", 0, 4096, 1);
  std::size_t names = 0;
  for (const auto& entry : std::filesystem::directory_iterator(host_mount_->path())) {
    names += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(names, 1U);
}

TEST_P(StillImage, IsFollowedByASnapshotThatHasWhatWasWrittenMeanwhile) {
  mount_image();
  if (IsSkipped()) return;
  ask({"snapshot", image_});
  write_noise(mount_->path() + "/new", 0, kMiB, 5);
  ask({"snapshot", image_});
  mount_.reset();
  const std::string now = digest_of_file(image_);
  loop_.reset();
  // The last one was taken while it was mounted: what unmounting wrote is all that differs.
  const json difference = ask({"diff", image_, "latest"});
  EXPECT_LT(difference.value("changed_bytes", std::uint64_t{kMiB}), kMiB);
  ask({"snapshot", image_, "--name", "offline"});
  ask({"export", "offline", file("copy.img")});
  EXPECT_EQ(digest_of_file(file("copy.img")), now);
}

INSTANTIATE_TEST_SUITE_P(Types, StillImage, ::testing::Values("xfs", "btrfs"),
                         [](const auto& type) { return std::string(type.param); });

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
