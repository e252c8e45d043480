// Devices that must not be changed, and concurrent users.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

// A device that differs from its snapshot.
class Refusals : public testing::Test {
 protected:
  Refusals() : bench_(pattern(8 * kChunk, 1), kChunk) {
    target_ = bench_.must_snapshot();
    bench_.write(0, pattern(kChunk, 2));
    before_ = bench_.device();
  }

  // Refused with a message and a remedy; the device, its intent and its snapshots are unchanged.
  void expect_refused(const std::string& message, bool reading_too) {
    const auto refusal = bench_.rollback(target_);
    ASSERT_TRUE(failed(refusal, Errc::kPrecondition));
    EXPECT_THAT(refusal.error().message, HasSubstr(message));
    EXPECT_FALSE(words_of(refusal.error()).empty());
    EXPECT_FALSE(bench_.view().intent.has_value());
    EXPECT_EQ(bench_.view().snapshots.size(), 1U);
    EXPECT_TRUE(same(bench_.device(), before_));
    if (reading_too) {
      EXPECT_TRUE(failed(bench_.snapshot(), Errc::kPrecondition));
      EXPECT_EQ(bench_.view().snapshots.size(), 1U);
    } else {
      EXPECT_TRUE(ok(bench_.snapshot()));
    }
  }

  Status check(bool for_writing) {
    return bench_.operations().check_device(bench_.view().disk, kDevice, for_writing);
  }

  OperationsBench bench_;
  SnapshotNumber target_ = 0;
  Bytes before_;
};

TEST_F(Refusals, DeviceInUse) {
  bench_.env().set_used_by(kDevice, {{"mounted on /mnt", "unmount it: umount /mnt"}});
  expect_refused("is in use: mounted on /mnt", true);
  EXPECT_TRUE(failed(check(true), Errc::kPrecondition));
  EXPECT_TRUE(failed(check(false), Errc::kPrecondition));
}

TEST_F(Refusals, ADeviceThatAnotherProgramHolds) {
  // In use, but invisible to a probe: another program holds it exclusively.
  const auto held = bench_.env().open(kDevice, {.exclusive_device = true});
  ASSERT_TRUE(ok(held));
  expect_refused("is in use", true);
}

TEST_F(Refusals, ReadOnlyDevice) {
  bench_.env().set_read_only(kDevice, true);
  expect_refused("is read-only", false);
  EXPECT_TRUE(failed(check(true), Errc::kPrecondition));
  EXPECT_TRUE(ok(check(false)));
}

TEST_F(Refusals, StoreOnTheDevice) {
  bench_.env().set_holds_store(kDevice, true);
  expect_refused("lives on", false);
  EXPECT_TRUE(failed(check(true), Errc::kPrecondition));
  EXPECT_TRUE(ok(check(false)));
}

TEST_F(Refusals, AnotherDeviceUnderTheSamePath) {
  bench_.env().set_probe(kDevice,
                         [](host::DeviceInfo& info) { info.identity.backing_id.inode += 9; });
  expect_refused("is not the device", true);
  const auto found = bench_.operations().find_disk(kDevice);
  ASSERT_TRUE(ok(found));
  EXPECT_FALSE(found->has_value()) << "a path is not who a disk is";
  EXPECT_THAT(bench_.operations().seen_last_at(kDevice), HasSubstr("a different device"));
}

TEST_F(Refusals, ANamelessDeviceIsRecognisedInTheNextBootWhileItsContentIsThere) {
  std::string boot = "a";
  std::string uuid = "fs-1";
  bench_.env().set_probe(kDevice, [&](host::DeviceInfo& info) {
    info.identity = {};
    info.identity.layer = host::Layer::kDisk;
    info.identity.place = info.real_path;
    info.identity.size_bytes = info.size_bytes;
    info.identity.boot_id = boot;
    info.identity.diskseq = boot.front();
    info.identity.filesystem_uuid = uuid;
  });
  ASSERT_TRUE(ok(bench_.operations().adopt_disk(bench_.disk(), kDevice)));
  boot = "b";
  const auto receipt = bench_.rollback(target_, false);
  ASSERT_TRUE(ok(receipt));
  EXPECT_THAT(receipt->recognised_by, HasSubstr("content (file system fs-1)"));
  // From now on it is identified by its attachment in this boot, whatever it holds.
  EXPECT_EQ(bench_.view().disk.identity.boot_id, "b");
  uuid = "fs-2";
  EXPECT_TRUE(ok(check(true)));
  boot = "c";
  before_ = bench_.device();
  expect_refused("nothing proves it", true);
}

TEST_F(Refusals, ADeviceThatIsRecognisedElsewhereTakesItsPathAlong) {
  const std::string moved = std::string(kDevice) + "-moved";
  ASSERT_TRUE(ok(bench_.env().rename(kDevice, moved)));
  const auto found = bench_.operations().find_disk(moved);
  ASSERT_TRUE(ok(found));
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->disk.path, kDevice) << "looking changes nothing";
  EXPECT_FALSE((*found)->recognised_by.empty());
  ASSERT_TRUE(ok(bench_.operations().snapshot(bench_.disk(), moved, {}, {})));
  EXPECT_EQ(bench_.view().disk.path, moved);
}

TEST_F(Refusals, LargerDevice) {
  bench_.env().set_size(kDevice, 9 * kChunk);
  before_ = bench_.device();
  expect_refused("has 36864 bytes, but had 32768", false);
  // Snapshots of the new and of the old size: neither harms the other.
  ASSERT_EQ(bench_.view().snapshots.size(), 2U);
  EXPECT_TRUE(bench_.exports_as(bench_.view().snapshots[1].number, before_));
  EXPECT_TRUE(bench_.exports_as(target_, pattern(8 * kChunk, 1)));
  EXPECT_TRUE(
      failed(bench_.operations().diff_snapshots(
                 bench_.key(target_), bench_.key(bench_.view().snapshots[1].number), {}, {}),
             Errc::kInvalidArgument));
  EXPECT_TRUE(bench_.all_verify());
  EXPECT_TRUE(bench_.empties());
}

TEST_F(Refusals, SmallerDevice) {
  bench_.env().set_size(kDevice, 7 * kChunk);
  before_ = bench_.device();
  expect_refused("has 28672 bytes, but had 32768", false);
}

TEST_F(Refusals, ResizedWhileARollbackIsPending) {
  bench_.env().inject({.kinds = {sim::OpKind::kWrite}, .path = kDevice, .error = EIO});
  ASSERT_TRUE(failed(bench_.rollback(target_), Errc::kIo));
  bench_.env().set_size(kDevice, 7 * kChunk);
  const Bytes shrunken = bench_.device();
  EXPECT_TRUE(failed(bench_.resume(), Errc::kPrecondition));
  EXPECT_TRUE(failed(bench_.resume(true), Errc::kPrecondition));
  EXPECT_TRUE(same(bench_.device(), shrunken));
  EXPECT_TRUE(bench_.view().intent.has_value());
}

TEST_F(Refusals, TwoOperationsOnOneDisk) {
  auto other = Operations::open(bench_.env(), {.store = kStore, .threads = 1});
  ASSERT_TRUE(ok(other));
  // The second runs in the middle of the first.
  bool asked = false;
  const Monitor monitor{[&](const Progress&) {
    asked = true;
    EXPECT_TRUE((**(*other)->disk(bench_.disk())).locked);
    EXPECT_TRUE(failed((*other)->snapshot(bench_.disk(), kDevice, {}, {}), Errc::kBusy));
    EXPECT_TRUE(failed((*other)->remove_snapshot(bench_.key(target_), {}), Errc::kBusy));
    EXPECT_TRUE(failed((*other)->resume(bench_.disk(), kDevice, false, {}), Errc::kBusy));
    // Readers and operations on other disks do not wait.
    EXPECT_TRUE(ok((*other)->verify({bench_.key(target_)}, {})));
    EXPECT_TRUE(ok((*other)->collect({})));
  }};
  ASSERT_TRUE(ok(bench_.rollback(target_, true, monitor)));
  EXPECT_TRUE(asked);
  EXPECT_TRUE(same(bench_.device(), pattern(8 * kChunk, 1)));
  ASSERT_TRUE(ok((*other)->refresh()));
  EXPECT_FALSE((**(*other)->disk(bench_.disk())).locked);
  EXPECT_TRUE(ok((*other)->snapshot(bench_.disk(), kDevice, {}, {})));
}

TEST_F(Refusals, ForgettingADiskThatHasSnapshots) {
  EXPECT_TRUE(failed(bench_.operations().forget_disk(bench_.disk()), Errc::kPrecondition));
  ASSERT_TRUE(bench_.empties());
  EXPECT_TRUE(ok(bench_.operations().forget_disk(bench_.disk())));
  EXPECT_FALSE(bench_.operations().disk(bench_.disk())->has_value());
  EXPECT_TRUE(failed(bench_.snapshot(), Errc::kNotFound));
}

TEST_F(Refusals, DisksThatCannotBe) {
  bench_.env().add_device("/empty", 0);
  EXPECT_TRUE(failed(bench_.operations().register_disk("/empty", kChunk), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(bench_.operations().register_disk(kDevice, 5000), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(bench_.operations().register_disk("/nothing", kChunk), Errc::kNotFound));
}

}  // namespace
}  // namespace blkrewind::test
