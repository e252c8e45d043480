// The writes of file systems to a tracked device are recorded: files, trim, and the replay of a
// journal.
#ifdef BLKREWIND_PROGRAM

#include <fstream>

#include "system/tracking_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kTrackedFsBytes = 320 * kMiB;  // mkfs.xfs wants 300

class TrackingFileSystems : public TrackedSystem,
                            public ::testing::WithParamInterface<const char*> {
 protected:
  void mount_and(const std::string& options, const std::function<void(const std::string&)>& what) {
    const Mount mount(path_, mount_point_, GetParam(), options);
    what(mount_point_);
  }
  void make_file_system() const {
    run_program({"mkfs." + std::string(GetParam()), "-q",
                 GetParam() == std::string("ext4") ? "-F" : "-f", path_});
  }

  std::string mount_point_;
};

TEST_P(TrackingFileSystems, AreMarkedByAllThatTheyDo) {
  const std::string type = GetParam();
  try {
    run_program({"sh", "-c", "command -v fstrim && command -v mkfs." + type});
  } catch (const std::exception&) {
    GTEST_SKIP() << "needs fstrim and the tools of " << type;
  }
  const LoopDevice disk = make_disk("disk.img", kTrackedFsBytes);
  mount_point_ = make_directory("mount");
  write_noise(disk.path(), 8 * kMiB, 32 * kMiB, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  {
    SCOPED_TRACE("mkfs");
    make_file_system();
    expect_nothing_missed();
    expect_rolls_back();
    make_file_system();
  }
  const auto becomes_the_base = [&] {
    base_snapshot_name_ += " later";
    const auto taken = engine_->snapshot(path_, named(base_snapshot_name_, ChangeSource::kBitmap));
    ASSERT_TRUE(taken) << taken.error().to_string();
    copy_ = read_device(path_);
    EXPECT_EQ(marked(), Chunks());
  };
  {
    SCOPED_TRACE("files");
    becomes_the_base();
    mount_and({}, [](const std::string& root) {
      for (std::uint64_t i = 1; i < 60; ++i) {
        write_noise(root + "/" + std::to_string(i), 0, i * 7919 % 900000 + 1, i);
      }
      write_noise(root + "/large", 0, 24 * kMiB, 99);
    });
    expect_nothing_missed();
    becomes_the_base();
  }
  {
    SCOPED_TRACE("delete and trim");
    mount_and({}, [](const std::string& root) {
      for (std::uint64_t i = 1; i < 60; i += 2) {
        std::filesystem::remove(root + "/" + std::to_string(i));
      }
      std::filesystem::rename(root + "/2", root + "/renamed");
      write_noise(root + "/large", 5 * kMiB + 11, kMiB, 98);
      std::filesystem::resize_file(root + "/large", 12 * kMiB);
      ::sync();
      run_program({"fstrim", root});
    });
    expect_nothing_missed();
    expect_rolls_back();
  }
  {
    SCOPED_TRACE("discards by the file system itself");
    mount_and("discard", [](const std::string& root) {
      std::filesystem::remove(root + "/large");
      for (std::uint64_t i = 2; i < 60; i += 4) {
        std::filesystem::remove(root + "/" + std::to_string(i));
      }
    });
    expect_nothing_missed();
    expect_rolls_back();
  }
}

// A copy of a mounted file system is like one after a power cut. Its journal is replayed by a
// mount, which is a change like any other.
TEST_P(TrackingFileSystems, AreMarkedByTheReplayOfAJournal) {
  const std::string type = GetParam();
  const LoopDevice original = make_disk("original.img", kTrackedFsBytes);
  mount_point_ = make_directory("mount");
  path_ = original.path();
  try {
    make_file_system();
  } catch (const std::exception& error) {
    GTEST_SKIP() << error.what();
  }
  const std::string cut = file("cut.img");
  mount_and({}, [&](const std::string& root) {
    for (std::uint64_t i = 1; i < 40; ++i) {
      write_noise(root + "/" + std::to_string(i), 0, i * 7919 % 90000 + 1, i);  // and flushed
    }
    std::filesystem::remove(root + "/3");
    run_program({"sync", "-f", root});
    for (std::uint64_t i = 40; i < 60; ++i) {
      write_noise(root + "/" + std::to_string(i), 0, 5000, i);
    }
    flush_node(original.path());
    run_program({"cp", "--sparse=always", original.backing(), cut});
  });
  const LoopDevice disk = LoopDevice::make(cut, 0);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  mount_and({}, [](const std::string& root) {
    EXPECT_TRUE(std::filesystem::exists(root + "/59"));
    write_noise(root + "/59", 0, 300000, 1);
  });
  EXPECT_NE(changed(), Chunks());
  expect_nothing_missed();
  expect_rolls_back();
  // Once more from the same state.
  mount_and({}, [](const std::string& root) { std::filesystem::remove(root + "/7"); });
  expect_nothing_missed();
  expect_rolls_back();
}

INSTANTIATE_TEST_SUITE_P(All, TrackingFileSystems, ::testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& type) { return std::string(type.param); });

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
