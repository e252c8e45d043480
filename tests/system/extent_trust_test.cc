// Cases that the extent tracker refuses: unsupported file systems and devices, and clones that were
// modified.
#include <sys/xattr.h>

#include <functional>

#include "support/errors.h"
#include "system/extent_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

class ExtentTrust : public ReflinkSystem {
 protected:
  // A valid clone, then changes to it or to the image.
  void expect_not_believed(const std::function<void(const std::string& clone)>& tamper,
                           const std::string& why) {
    take("s-1");
    ASSERT_EQ(check("untouched"), 0U);
    ASSERT_EQ(clones().size(), 1U);
    tamper(clones().front());
    EXPECT_FALSE(state().valid) << why;
    EXPECT_THAT(state().why, HasSubstr(why));
    EXPECT_THAT(why_not(), HasSubstr(why));
    EXPECT_EQ(clones().size(), 1U) << "only the mark that the disk is tracked";
    EXPECT_THAT(why_not(), HasSubstr(why)) << "still";
    take("s-2");
    EXPECT_EQ(check("anew"), 0U);
  }

  void while_mutable(const std::string& path, const std::function<void()>& change) {
    set_flag(path, FS_IMMUTABLE_FL, false);
    change();
    set_flag(path, FS_IMMUTABLE_FL, true);
  }
};

INSTANTIATE_TEST_SUITE_P(On, ExtentTrust, testing::Values("xfs", "btrfs"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(ExtentTrust, ATouchedCloneIsNotBelieved) {
  start();
  expect_not_believed([](const std::string& clone) { set_flag(clone, FS_IMMUTABLE_FL, false); },
                      "is not immutable");
  expect_not_believed(
      [&](const std::string& clone) {
        while_mutable(clone, [&] { write_bytes(clone, 0, "touched"); });
      },
      "changed or replaced");
  expect_not_believed(
      [&](const std::string& clone) {
        while_mutable(clone, [&] { ASSERT_EQ(::truncate(clone.c_str(), 4096), 0); });
      },
      "changed or replaced");
  expect_not_believed(
      [&](const std::string& clone) {
        while_mutable(
            clone, [&] { ASSERT_EQ(::link(clone.c_str(), (mount_point_ + "/link").c_str()), 0); });
        set_flag(clone, FS_IMMUTABLE_FL, false);
        set_flag(clone, FS_IMMUTABLE_FL, true);
      },
      "changed or replaced");
}

TEST_P(ExtentTrust, ACopyOfACloneIsNotBelieved) {
  start();
  expect_not_believed(
      [&](const std::string& clone) {
        const std::string copy = mount_point_ + "/copy";
        run_program({"cp", "--reflink=always", "--preserve=all", clone, copy});
        set_flag(clone, FS_IMMUTABLE_FL, false);
        std::filesystem::rename(copy, clone);
        set_flag(clone, FS_IMMUTABLE_FL, true);
      },
      "changed or replaced");
}

TEST_P(ExtentTrust, ARecordThatDoesNotFitIsNotBelieved) {
  start();
  const auto rewrite = [&](const std::string& from, const std::string& to) {
    return [this, from, to](const std::string& clone) {
      while_mutable(clone, [&] {
        std::string text(4096, '\0');
        const ssize_t length =
            ::getxattr(clone.c_str(), "user.blkrewind", text.data(), text.size());
        ASSERT_GT(length, 0);
        text.resize(static_cast<std::size_t>(length));
        const std::size_t at = text.find(from);
        ASSERT_NE(at, std::string::npos) << text;
        text.replace(at, from.size(), to);
        ASSERT_EQ(::setxattr(clone.c_str(), "user.blkrewind", text.data(), text.size(), 0), 0);
      });
    };
  };
  expect_not_believed(rewrite("clone 1", "clone 2"), "has no record");
  expect_not_believed(rewrite("disk=d-abc123", "disk=d-other1"), "has no record");
  expect_not_believed(rewrite("length=", "length=1"), "another offset");
  expect_not_believed(rewrite("image_inode=", "image_inode=9"), "another one");
  expect_not_believed(rewrite("modified_ns=", "modified_ns=-"), "changed or replaced");
  expect_not_believed(
      [&](const std::string& clone) {
        while_mutable(clone, [&] { ASSERT_EQ(::removexattr(clone.c_str(), "user.blkrewind"), 0); });
      },
      "has no record");
}

TEST_P(ExtentTrust, AnotherImageFileIsNotBelieved) {
  start();
  expect_not_believed(
      [&](const std::string&) {
        run_program({"cp", "--reflink=always", image_, image_ + ".new"});
        std::filesystem::rename(image_ + ".new", image_);
      },
      "replaced by another one");
}

TEST_P(ExtentTrust, WhateverElseIsInTheClonesPlaceIsNotBelieved) {
  start();
  expect_not_believed(
      [](const std::string& clone) {
        set_flag(clone, FS_IMMUTABLE_FL, false);
        ASSERT_EQ(::unlink(clone.c_str()), 0);
        ASSERT_EQ(::mkfifo(clone.c_str(), 0600), 0);
      },
      "another file has the name");
  expect_not_believed(
      [&](const std::string& clone) {
        set_flag(clone, FS_IMMUTABLE_FL, false);
        ASSERT_EQ(::unlink(clone.c_str()), 0);
        ASSERT_EQ(::symlink(image_.c_str(), clone.c_str()), 0);
      },
      "another file has the name");
  EXPECT_TRUE(std::filesystem::exists(image_)) << "what it pointed to is not removed";
}

TEST_P(ExtentTrust, AnotherStoresCloneIsLeftAlone) {
  start();
  take("s-1");
  const track::TrackedDisk mine = disk_;
  disk_.store_uuid = "00000000-0000-4000-8000-00000000000F";
  EXPECT_EQ(find(), nullptr);
  start();
  EXPECT_EQ(clones().size(), 2U);
  EXPECT_TRUE(*track::stop_extents(disk_));
  EXPECT_EQ(clones().size(), 1U);
  disk_ = mine;
  EXPECT_EQ(check("the first store's"), 0U);
}

TEST_P(ExtentTrust, AnAnchorThatIsNotTheClonesIsSaid) {
  start();
  take("s-1");
  base_snapshot_ = "s-of-another-program";
  EXPECT_THAT(why_not(), HasSubstr("did not update"));
  take("s-2");
  base_snapshot_.clear();
  EXPECT_THAT(why_not(), HasSubstr("no base snapshot"));
}

TEST_P(ExtentTrust, AHalfMadeCloneIsRemoved) {
  start();
  take("s-1");
  const std::string leftover = mount_point_ + "/.disk.img.blkrewind-d-abc123.900";
  run_program({"cp", "--reflink=always", image_, leftover});
  const std::string unrelated = mount_point_ + "/.disk.img.blkrewind-d-abc1234.1";
  write_bytes(unrelated, 0, "of a disk of another id");
  EXPECT_EQ(clones().size(), 3U);
  EXPECT_TRUE(state().valid);
  {
    const auto tracker = find();
    EXPECT_EQ(begin(*tracker), "");
  }
  EXPECT_FALSE(std::filesystem::exists(leftover));
  write_bytes(leftover, 0, "again");
  EXPECT_TRUE(*track::stop_extents(disk_));
  EXPECT_EQ(clones(), std::vector<std::string>{unrelated});
}

TEST_P(ExtentTrust, AnImageThatIsTooShortIsAnError) {
  start();
  take("s-1");
  ASSERT_EQ(::truncate(image_.c_str(), static_cast<off_t>(kImageBytes - 1)), 0);
  EXPECT_FALSE(state().valid);
  EXPECT_FALSE(find()->begin(base_snapshot_, track::TrackUse::kRead));
  ASSERT_EQ(::truncate(image_.c_str(), static_cast<off_t>(kImageBytes)), 0);
  EXPECT_LE(check("long again"), kExtentBlock);
}

TEST_P(ExtentTrust, AReadOnlyFileSystemIsAnError) {
  start();
  take("s-1");
  run_program({"mount", "-o", "remount,ro", mount_point_});
  EXPECT_TRUE(state().valid) << "looking needs no writing";
  EXPECT_FALSE(find()->begin(base_snapshot_, track::TrackUse::kRead));
  run_program({"mount", "-o", "remount,rw", mount_point_});
  EXPECT_EQ(check("writable again"), 0U);
}

// Where extents cannot be tracked at all.
class ExtentRefusals : public ExtentSystem {
 protected:
  void expect_refused(const std::string& message, const std::string& hint) {
    const Status started = track::start_extents(disk_);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::kUnsupported) << started.error().to_string();
    EXPECT_THAT(started.error().message, HasSubstr(message));
    EXPECT_THAT(words_of(started.error()), HasSubstr(hint));
    EXPECT_EQ(find(), nullptr);
    EXPECT_FALSE(*track::extents_state(disk_, "s-1"));
    EXPECT_FALSE(*track::stop_extents(disk_));
    EXPECT_TRUE(clones().empty());
  }
};

TEST_F(ExtentRefusals, Ext4) {
  if (!make_file_system("ext4")) GTEST_SKIP() << skipped;
  make_image();
  expect_refused("does not report which bytes", "XFS");
  attach();
  expect_refused("does not report which bytes", "XFS");
}

TEST_F(ExtentRefusals, Tmpfs) {
  if (!have_root_and_loop()) GTEST_SKIP() << "needs root";
  const Tmpfs tmpfs(64 * kMiB);
  mount_point_ = tmpfs.path();
  image_ = tmpfs.file("disk.img");
  make_image();
  expect_refused("", "XFS");
}

TEST_F(ExtentRefusals, XfsWithoutReflink) {
  if (!make_file_system("xfs")) GTEST_SKIP() << skipped;
  unmount();
  run_program({"mkfs.xfs", "-q", "-f", "-m", "reflink=0", lower_});
  mount();
  make_image();
  expect_refused("cannot create a reflink clone", "reflink=1");
}

TEST_F(ExtentRefusals, DevicesThatAreNotAFile) {
  if (!make_file_system("xfs")) GTEST_SKIP() << skipped;
  make_image();
  attach();
  const LoopDevice on_top = LoopDevice::make(loop_->path(), 0);
  disk_.path = on_top.path();
  expect_refused("is backed by a block device", "image files");
  disk_.path = "/dev/null";
  expect_refused("neither an image file nor", "image files");
}

TEST_F(ExtentRefusals, APartitionOfALoopDevice) {
  if (!make_file_system("xfs")) GTEST_SKIP() << skipped;
  make_image(16 * kMiB);
  run_program({"sh", "-c", "echo 2048,4096 | sfdisk -q '" + image_ + "'"});
  attach();
  try {
    run_program({"partx", "-a", loop_->path()});
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << "needs partitions on loop devices: " << error.what();
  }
  disk_.path = loop_->path() + "p1";
  disk_.device_bytes = 2 * kMiB;
  expect_refused("is a partition", "losetup --offset");
  run_program({"partx", "-d", loop_->path()});
}

TEST_F(ExtentRefusals, AFileThatIsNotAtItsPathAnyMore) {
  if (!make_file_system("xfs")) GTEST_SKIP() << skipped;
  make_image();
  attach();
  std::filesystem::rename(image_, image_ + ".moved");
  start();
  EXPECT_TRUE(*track::stop_extents(disk_)) << "renamed: the kernel knows where it is";
  std::filesystem::remove(image_ + ".moved");
  expect_refused("is not found at", "attach");
  disk_.path = mount_point_ + "/none";
  EXPECT_EQ(track::start_extents(disk_).error().code, Errc::kNotFound);
  EXPECT_EQ(find(), nullptr);
}

}  // namespace
}  // namespace blkrewind::test
