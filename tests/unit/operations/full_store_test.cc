// Operations on a store whose file system is full.
#include <gmock/gmock.h>

#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kBytes = 256 * kKiB;

class FullStore : public testing::Test {
 protected:
  void fill(std::uint64_t free_bytes = 0) { bench_.env().set_free_bytes(kStore, free_bytes); }
  void make_room() { bench_.env().set_free_bytes(kStore, std::nullopt); }
  std::uint64_t used() { return bench_.env().used_bytes(kStore); }

  OperationsBench bench_{pattern(kBytes, 1), kChunk};
};

TEST_F(FullStore, DeletesAndForgets) {
  const SnapshotNumber first = bench_.must_snapshot();
  bench_.write(0, pattern(kBytes, 2));
  const SnapshotNumber second = bench_.must_snapshot();
  fill();
  const std::uint64_t before = used();
  const auto deleted = bench_.remove(first);
  ASSERT_TRUE(ok(deleted));
  EXPECT_GE(deleted->reclaimed_bytes, kBytes);
  EXPECT_LE(used() + kBytes, before);
  EXPECT_TRUE(bench_.exports_as(second, pattern(kBytes, 2)));
  fill();
  ASSERT_TRUE(ok(bench_.remove(second)));
  ASSERT_TRUE(ok(bench_.operations().collect({})));
  EXPECT_TRUE(ok(bench_.operations().forget_disk(bench_.disk())));
}

// Snapshots of an unchanged device: deleting most of them frees nothing.
TEST_F(FullStore, DeletesManyThatFreeNothing) {
  std::vector<SnapshotNumber> all;
  for (int i = 0; i < 120; ++i) all.push_back(bench_.must_snapshot());
  fill();
  for (const SnapshotNumber number : all) ASSERT_TRUE(ok(bench_.remove(number))) << number;
  ASSERT_TRUE(ok(bench_.operations().forget_disk(bench_.disk())));
}

TEST_F(FullStore, ASnapshotThatDoesNotFitLeavesNothingBehind) {
  const SnapshotNumber first = bench_.must_snapshot();
  bench_.write(0, pattern(kBytes, 2));
  for (const std::uint64_t room : {std::uint64_t{0}, 100 * kKiB, kBytes, kBytes + 8 * kKiB}) {
    SCOPED_TRACE(room);
    fill(room);
    const std::uint64_t before = used();
    const auto taken = bench_.snapshot();
    ASSERT_TRUE(failed(taken, Errc::kNoSpace));
    EXPECT_LE(used(), before + 96 * kKiB) << "only the journal may have grown";
    EXPECT_TRUE(bench_.exports_as(first, pattern(kBytes, 1)));
  }
  make_room();
  EXPECT_TRUE(bench_.exports_as(bench_.must_snapshot(), pattern(kBytes, 2)));
  EXPECT_TRUE(bench_.empties());
}

TEST_F(FullStore, AnUndoThatDoesNotFitLeavesTheDeviceAndSaysSo) {
  const SnapshotNumber first = bench_.must_snapshot();
  bench_.write(0, pattern(kBytes, 2));
  fill(64 * kKiB);
  const auto refused = bench_.rollback(first);
  ASSERT_TRUE(failed(refused, Errc::kNoSpace));
  EXPECT_THAT(refused.error().to_string(), HasSubstr("the device is untouched"));
  EXPECT_THAT(words_of(refused.error()), HasSubstr("--no-undo"));
  EXPECT_TRUE(same(bench_.device(), pattern(kBytes, 2)));
  EXPECT_FALSE(bench_.view().intent);
  fill();
  ASSERT_TRUE(ok(bench_.rollback(first, false)));
  EXPECT_TRUE(same(bench_.device(), pattern(kBytes, 1)));
}

// In both directions: comparing needs no space, keeping data of another program does.
TEST_F(FullStore, AnInterruptedRollbackEndsWithoutRoom) {
  const SnapshotNumber first = bench_.must_snapshot();
  for (const bool backwards : {false, true}) {
    SCOPED_TRACE(backwards);
    make_room();
    bench_.write(0, pattern(kBytes, 1));
    bench_.write(0, pattern(kChunk, 2));
    bench_.write(kBytes / 2, pattern(kChunk, 3));
    const Bytes before = bench_.device();
    bench_.env().inject({.kinds = {sim::OpKind::kWrite},
                         .path = kDevice,
                         .nth = 2,
                         .from_then_on = true,
                         .error = EIO});
    ASSERT_TRUE(failed(bench_.rollback(first), Errc::kIo));
    bench_.env().clear_faults();
    ASSERT_TRUE(ok(bench_.open()));
    fill();
    const Bytes between = bench_.device();
    bench_.write(kBytes / 4, pattern(kChunk, 9));
    const Bytes repaired = bench_.device();
    const auto refused = bench_.resume(backwards);
    ASSERT_TRUE(failed(refused, Errc::kNoSpace));
    EXPECT_THAT(refused.error().to_string(), HasSubstr("the device is as it was found"));
    EXPECT_THAT(words_of(refused.error()), HasSubstr("make room"));
    EXPECT_THAT(words_of(refused.error()), HasSubstr("resume"));
    EXPECT_TRUE(same(bench_.device(), repaired)) << "what cannot be kept is not overwritten";
    EXPECT_TRUE(bench_.view().intent);

    bench_.write(0, between);
    const auto done = bench_.resume(backwards);
    ASSERT_TRUE(ok(done));
    EXPECT_FALSE(done->kept_snapshot_id.has_value());
    EXPECT_FALSE(bench_.view().intent);
    EXPECT_TRUE(same(bench_.device(), backwards ? before : pattern(kBytes, 1)));
  }
}

// While it streams, another program uses up the space.
TEST_F(FullStore, ARollbackThatHasBegunEnds) {
  const SnapshotNumber first = bench_.must_snapshot();
  bench_.write(0, pattern(kBytes, 2));
  bool filled = false;
  Monitor monitor;
  monitor.progress = [&](const Progress& progress) {
    if (std::string(progress.phase) != "restore") return;
    fill();
    filled = true;
  };
  ASSERT_TRUE(ok(bench_.rollback(first, true, monitor)));
  EXPECT_TRUE(filled);
  EXPECT_FALSE(bench_.view().intent);
  EXPECT_TRUE(same(bench_.device(), pattern(kBytes, 1)));
}

// The process ends at each operation of a delete on a full file system. Repeating the delete
// finishes it and reports the freed space.
TEST_F(FullStore, ADeleteThatWasCutOffIsFinishedByTheSameDelete) {
  std::uint64_t finished = 0;
  for (std::uint64_t cut = 0;; ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut));
    OperationsBench bench(pattern(kBytes, 1), kChunk);
    const SnapshotNumber first = bench.must_snapshot();
    bench.write(0, pattern(kBytes / 2, 2));
    const SnapshotNumber second = bench.must_snapshot();
    const std::uint64_t before = bench.env().used_bytes(kStore);
    bench.env().set_free_bytes(kStore, 0);
    bench.env().set_crash_after(bench.env().mutations() + cut);
    const bool done = bench.remove(first).has_value();
    const bool cut_off = bench.env().power_is_off();
    OperationsBench after(bench.env().crash(cut + 1), bench.disk());
    ASSERT_TRUE(ok(after.open()));
    const DiskView view = after.view();
    const bool is_deleting = !view.deleting.empty();
    const std::uint64_t left = after.env().used_bytes(kStore);
    if (is_deleting || after.number(view.snapshots.front().id) == first) {
      const auto again = after.remove(first);
      ASSERT_TRUE(ok(again));
      EXPECT_EQ(again->snapshot_id.substr(0, 2), "s-");
      if (is_deleting && left > before - kBytes / 2) {
        EXPECT_GT(again->reclaimed_bytes, 0U);
        ++finished;
      }
    }
    ASSERT_TRUE(ok(after.operations().collect({})));
    EXPECT_LE(after.env().used_bytes(kStore), before - kBytes / 2 + 96 * kKiB);
    Bytes expected = pattern(kBytes, 1);
    put(expected, 0, pattern(kBytes / 2, 2));
    EXPECT_TRUE(after.exports_as(second, expected));
    if (!cut_off || testing::Test::HasFailure()) {
      EXPECT_TRUE(done);
      break;
    }
  }
  EXPECT_GT(finished, 0U);
}

}  // namespace
}  // namespace blkrewind::test
