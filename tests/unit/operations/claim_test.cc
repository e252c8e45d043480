// A device is checked after it was opened, and again before it is written to: whatever happens to
// its name, its size or its users in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

constexpr const char* kOther = "/dev/other";
constexpr const char* kMoved = "/dev/moved";

class Claim : public testing::Test {
 protected:
  Claim() : bench_(pattern(8 * kChunk, 1), kChunk) {
    target_ = bench_.must_snapshot();
    bench_.write(0, pattern(kChunk, 2));
    before_ = bench_.device();
    other_ = pattern(8 * kChunk, 3);
    bench_.env().add_device(kOther, other_.size(), host::DeviceKind::kBlock);
    bench_.env().poke(kOther, 0, other_);
  }

  // Another process moves the device's name to another device.
  [[nodiscard]] std::function<void()> give_name_away() {
    return [this] {
      EXPECT_TRUE(ok(bench_.env().rename(kDevice, kMoved)));
      EXPECT_TRUE(ok(bench_.env().rename(kOther, kDevice)));
    };
  }
  void expect_both_untouched() {
    EXPECT_TRUE(same(bench_.env().contents(kMoved), before_));
    EXPECT_TRUE(same(bench_.device(), other_));
  }
  // Runs `happens` once, when the operation reports progress.
  [[nodiscard]] static Monitor during(std::function<void()> happens) {
    return Monitor{[happens = std::move(happens)](const Progress&) mutable {
      if (happens) std::exchange(happens, nullptr)();
    }};
  }
  [[nodiscard]] std::function<void()> start_writer() {
    return [this] {
      bench_.env().set_writer(kDevice, {{"open for writing in dd (process 7)", "end it"}});
    };
  }

  OperationsBench bench_;
  SnapshotNumber target_ = 0;
  Bytes before_;
  Bytes other_;
};

TEST_F(Claim, AnotherDeviceTookTheNameBeforeTheOpen) {
  for (const bool undo : {true, false}) {
    SCOPED_TRACE(undo);
    bench_.env().set_before_claim(give_name_away());
    EXPECT_TRUE(failed(bench_.rollback(target_, undo), Errc::kPrecondition));
    expect_both_untouched();
    EXPECT_FALSE(bench_.view().intent.has_value());
    // And back.
    ASSERT_TRUE(ok(bench_.env().rename(kDevice, kOther)));
    ASSERT_TRUE(ok(bench_.env().rename(kMoved, kDevice)));
  }
  EXPECT_TRUE(ok(bench_.rollback(target_)));
}

TEST_F(Claim, AnotherDeviceTookTheNameAfterTheOpen) {
  bench_.env().set_after_claim(give_name_away());
  const auto refused = bench_.rollback(target_);
  ASSERT_TRUE(failed(refused, Errc::kBusy));
  EXPECT_FALSE(words_of(refused.error()).empty());
  expect_both_untouched();
}

TEST_F(Claim, AnotherDeviceTookTheNameDuringTheScan) {
  EXPECT_TRUE(failed(bench_.rollback(target_, true, during(give_name_away())), Errc::kBusy));
  expect_both_untouched();
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_EQ(bench_.view().snapshots.size(), 1U) << "no undo snapshot of a rollback that never was";
}

TEST_F(Claim, ASnapshotOfADeviceThatLostItsNameDoesNotCount) {
  EXPECT_TRUE(failed(bench_.snapshot(during(give_name_away())), Errc::kBusy));
  for (const auto& snapshot : bench_.view().snapshots) {
    EXPECT_TRUE(snapshot.number == target_ ||
                snapshot.state != format::SnapshotState::kAccomplished);
  }
}

TEST_F(Claim, ResumeAndUndoAreJudgedAgainToo) {
  bench_.env().inject({.kinds = {sim::OpKind::kWrite}, .path = kDevice, .error = EIO});
  ASSERT_TRUE(failed(bench_.rollback(target_), Errc::kIo));
  bench_.env().clear_faults();
  const Bytes half = bench_.device();
  for (const bool backwards : {false, true}) {
    SCOPED_TRACE(backwards);
    bench_.env().set_before_claim(give_name_away());
    EXPECT_TRUE(failed(bench_.resume(backwards), Errc::kPrecondition));
    EXPECT_TRUE(same(bench_.env().contents(kMoved), half));
    EXPECT_TRUE(same(bench_.device(), other_));
    ASSERT_TRUE(ok(bench_.env().rename(kDevice, kOther)));
    ASSERT_TRUE(ok(bench_.env().rename(kMoved, kDevice)));
  }
  EXPECT_TRUE(failed(bench_.resume(false, during(start_writer())), Errc::kPrecondition));
  EXPECT_TRUE(same(bench_.device(), half));
  EXPECT_TRUE(bench_.view().intent.has_value()) << "it can still be finished";
  bench_.env().set_writer(kDevice, {});
  EXPECT_TRUE(ok(bench_.resume()));
}

TEST_F(Claim, AnotherSizeDuringTheScan) {
  const Monitor monitor = during([this] { bench_.env().set_size(kDevice, 9 * kChunk); });
  const auto refused = bench_.rollback(target_, true, monitor);
  ASSERT_TRUE(failed(refused, Errc::kPrecondition));
  EXPECT_THAT(refused.error().message, HasSubstr("36864 bytes now"));
  EXPECT_FALSE(bench_.view().intent.has_value());
}

TEST_F(Claim, OpenForWritingElsewhere) {
  start_writer()();
  for (const auto& refused : {bench_.rollback(target_), bench_.rollback(target_, false)}) {
    ASSERT_TRUE(failed(refused, Errc::kPrecondition));
    EXPECT_THAT(refused.error().message, HasSubstr("in use: open for writing in dd (process 7)"));
  }
  EXPECT_TRUE(failed(bench_.snapshot(), Errc::kPrecondition));
  EXPECT_TRUE(failed(bench_.operations().check_device(bench_.view().disk, kDevice, true),
                     Errc::kPrecondition));
  EXPECT_TRUE(same(bench_.device(), before_));
}

TEST_F(Claim, OpenedForWritingDuringTheOperation) {
  EXPECT_TRUE(failed(bench_.rollback(target_, true, during(start_writer())), Errc::kPrecondition));
  EXPECT_TRUE(same(bench_.device(), before_));
  EXPECT_FALSE(bench_.view().intent.has_value());
  bench_.env().set_writer(kDevice, {});
  EXPECT_TRUE(failed(bench_.snapshot(during(start_writer())), Errc::kPrecondition));
  EXPECT_EQ(bench_.view().snapshots.size(), 1U);
}

TEST_F(Claim, WhatCannotBeToldIsRefused) {
  bench_.env().set_unknown(kDevice, {{"sysfs is not mounted", "mount it"}});
  const auto expect_refused = [](const auto& refused) {
    ASSERT_TRUE(failed(refused, Errc::kPrecondition));
    EXPECT_THAT(refused.error().message, HasSubstr("cannot tell whether /dev/simulated is in use"));
    EXPECT_THAT(refused.error().message, HasSubstr("sysfs is not mounted"));
    EXPECT_EQ(words_of(refused.error()), "mount it");
  };
  expect_refused(bench_.rollback(target_));
  expect_refused(bench_.snapshot());
  expect_refused(bench_.operations().diff_device(bench_.disk(), kDevice, target_, {}, {}));
  expect_refused(bench_.operations().import_image(bench_.disk(), kDevice, {}, {}));
  EXPECT_TRUE(same(bench_.device(), before_));
}

TEST_F(Claim, AnImportIsJudgedAsTheDeviceIs) {
  const auto import = [&](const Monitor& monitor = {}) {
    return bench_.operations().import_image(bench_.disk(), kOther, {}, monitor);
  };
  bench_.env().set_used_by(kOther, {{"mounted on /mnt", "unmount it: umount /mnt"}});
  const auto refused = import();
  ASSERT_TRUE(failed(refused, Errc::kPrecondition));
  EXPECT_THAT(refused.error().message, HasSubstr("/dev/other is in use: mounted on /mnt"));
  bench_.env().set_used_by(kOther, {});
  bench_.env().set_writer(kOther, {{"open for writing in dd (process 7)", "end it"}});
  EXPECT_TRUE(failed(import(), Errc::kPrecondition));
  bench_.env().set_writer(kOther, {});
  const auto resize = [&] { bench_.env().set_size(kOther, kChunk); };
  EXPECT_FALSE(import(during(resize)));
  EXPECT_EQ(bench_.view().snapshots.front().number, target_);
  bench_.env().set_size(kOther, other_.size());
  EXPECT_TRUE(ok(import()));
}

TEST_F(Claim, AnExportDoesNotReplaceAFileThatAppearedMeanwhile) {
  const Bytes precious = pattern(10, 4);
  const Monitor monitor = during([&] {
    bench_.env().add_device("/images/new", precious.size());
    bench_.env().poke("/images/new", 0, precious);
  });
  bench_.env().add_directory("/images");
  EXPECT_TRUE(
      failed(bench_.operations().export_image(bench_.key(target_), "/images/new", {}, monitor),
             Errc::kAlreadyExists));
  EXPECT_TRUE(same(bench_.env().contents("/images/new"), precious));
  EXPECT_EQ(bench_.env().list_directory("/images")->size(), 1U) << "nothing half done stays";
}

}  // namespace
}  // namespace blkrewind::test
