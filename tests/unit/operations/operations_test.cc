// Snapshots, diffs, images, verification and space, on a simulated device.
#include "operations/operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "store/store.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Snapshot, StoresWhatIsNotZero) {
  Bytes content(4 * kChunk);
  put(content, kChunk, pattern(kChunk, 1));
  OperationsBench bench(content, kChunk);
  const auto receipt = bench.snapshot();
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->device_bytes, content.size());
  EXPECT_EQ(receipt->scanned_bytes, content.size());
  EXPECT_EQ(receipt->changed_bytes, kChunk);
  EXPECT_EQ(receipt->stored_bytes, kChunk);
  EXPECT_EQ(receipt->zero_bytes, 3U * kChunk);
  EXPECT_TRUE(bench.exports_as(bench.number(receipt->snapshot_id), content));
  EXPECT_TRUE(bench.all_verify());
  EXPECT_TRUE(same(bench.device(), content));
  EXPECT_TRUE(bench.empties());
}

TEST(Snapshot, TakesNoMoreMemoryThanItMay) {
  for (const std::uint64_t allowed : {kDefaultBufferBytes, 4 * kMiB}) {
    OperationsBench bench(Bytes(4 * kDefaultBufferBytes), 64 * kKiB);
    auto operations =
        Operations::open(bench.env(), {.store = kStore, .threads = 1, .buffer_bytes = allowed});
    ASSERT_TRUE(ok(operations));
    ASSERT_TRUE(ok((*operations)->snapshot(bench.disk(), kDevice, {}, {})));
    EXPECT_EQ(bench.env().largest_pool_bytes(), allowed);
  }
}

TEST(Snapshot, OfAnUnchangedDeviceStoresNothing) {
  OperationsBench bench(pattern(20 * kChunk, 1), kChunk);
  const auto first = bench.snapshot();
  ASSERT_TRUE(ok(first));
  const auto before = bench.operations().store_info();
  ASSERT_TRUE(ok(before));
  const auto second = bench.snapshot();
  ASSERT_TRUE(ok(second));
  EXPECT_EQ(second->stored_bytes, 0U);
  EXPECT_EQ(second->changed_bytes, 0U);
  EXPECT_EQ(second->root_digest, first->root_digest);
  const auto after = bench.operations().store_info();
  ASSERT_TRUE(ok(after));
  EXPECT_EQ(after->live_bytes, before->live_bytes);
  EXPECT_EQ(after->segments, before->segments);
  EXPECT_EQ(after->snapshots, 2U);
}

TEST(Snapshot, StoresOnlyWhatChanged) {
  // More than one leaf of the tree.
  Bytes content = pattern(300 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber first = bench.must_snapshot();
  put(content, 200 * kChunk + 17, pattern(1, 2));
  put(content, 299 * kChunk, Bytes(kChunk));
  bench.write(0, content);
  const auto second = bench.snapshot();
  ASSERT_TRUE(ok(second));
  EXPECT_EQ(second->changed_bytes, 2U * kChunk);
  EXPECT_EQ(second->stored_bytes, kChunk);
  EXPECT_TRUE(bench.exports_as(first, pattern(300 * kChunk, 1)));
  EXPECT_TRUE(bench.exports_as(bench.number(second->snapshot_id), content));
}

TEST(Snapshot, RootDigestsAreThoseOfTheContent) {
  const Bytes content = pattern(5 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const auto first = bench.snapshot();
  bench.write(kChunk, pattern(kChunk, 2));
  const auto second = bench.snapshot();
  bench.write(0, content);
  const auto third = bench.snapshot();
  ASSERT_TRUE(ok(first) && ok(second) && ok(third));
  EXPECT_NE(first->root_digest, second->root_digest);
  EXPECT_EQ(first->root_digest, third->root_digest);
}

TEST(Snapshot, ADamagedOneIsNoParent) {
  const Bytes content = pattern(4 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber first = bench.must_snapshot();
  ASSERT_TRUE(bench.spoil(pattern(4 * kChunk, 1), 2 * kChunk));
  ASSERT_TRUE(ok(bench.operations().verify({bench.key(first)}, {})));
  ASSERT_TRUE(bench.view().snapshots.front().damaged);
  // The device still has the chunk that the store has lost.
  const auto second = bench.snapshot();
  ASSERT_TRUE(ok(second));
  EXPECT_EQ(second->stored_bytes, content.size());
  EXPECT_TRUE(bench.exports_as(bench.number(second->snapshot_id), content));
}

// The device has it all: a snapshot that cannot be shared with is no reason to take none.
TEST(Snapshot, ADamagedTreeIsMarkedAndDoneWithout) {
  const Bytes content = pattern(4 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  bench.must_snapshot();
  const format::SnapshotRecord base = bench.view().snapshots.front();
  bench.env().poke(std::string(kStore) + "/disks/1/segments/" + std::to_string(base.root.segment),
                   base.root.offset_bytes() + 100, Bytes(8, std::byte{0xa5}));
  const auto second = bench.snapshot();
  ASSERT_TRUE(ok(second));
  EXPECT_TRUE(bench.view().snapshots.front().damaged);
  EXPECT_EQ(second->stored_bytes, content.size());
  EXPECT_TRUE(bench.exports_as(bench.number(second->snapshot_id), content));
}

TEST(Snapshot, StoppedBeforeItIsWholeLeavesNothing) {
  const Bytes content = pattern(300 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const std::atomic<bool> cancel = true;
  EXPECT_TRUE(failed(bench.snapshot({{}, &cancel}), Errc::kCancelled));
  EXPECT_THAT(bench.view().snapshots, IsEmpty());
  EXPECT_TRUE(bench.empties());
}

TEST(Snapshot, ThatFailedSaysWhyUntilItIsDeleted) {
  OperationsBench bench(pattern(4 * kChunk, 1), kChunk);
  bench.env().inject(
      {.kinds = {sim::OpKind::kRead}, .path = kDevice, .from_then_on = true, .error = EIO});
  const auto failure = bench.snapshot();
  ASSERT_TRUE(failed(failure, Errc::kIo));
  EXPECT_EQ(failure.error().sys_errno, EIO);
  EXPECT_THAT(failure.error().to_string(), HasSubstr(kDevice));
  ASSERT_EQ(bench.view().snapshots.size(), 1U);
  EXPECT_EQ(bench.view().snapshots[0].state, format::SnapshotState::kFailed);
  EXPECT_THAT(bench.view().snapshots[0].failure, HasSubstr("errno 5"));
  EXPECT_TRUE(bench.empties());
}

TEST(Snapshot, TheStoreIsFull) {
  OperationsBench bench(pattern(4 * kChunk, 1), kChunk);
  bench.env().inject({.kinds = {sim::OpKind::kWrite},
                      .path = std::string(kStore) + "/disks/1/segments",
                      .from_then_on = true,
                      .error = ENOSPC});
  EXPECT_TRUE(failed(bench.snapshot(), Errc::kNoSpace));
  bench.env().clear_faults();
  EXPECT_TRUE(bench.exports_as(bench.must_snapshot(), pattern(4 * kChunk, 1)));
  EXPECT_TRUE(bench.empties());
}

TEST(Snapshot, TwoOfOneNameAreRefused) {
  OperationsBench bench(pattern(kChunk, 1), kChunk);
  SnapshotOptions options;
  options.name = "before";
  ASSERT_TRUE(ok(bench.operations().snapshot(bench.disk(), kDevice, options, {})));
  EXPECT_TRUE(failed(bench.operations().snapshot(bench.disk(), kDevice, options, {}),
                     Errc::kAlreadyExists));
  options.name = "a/b";
  EXPECT_TRUE(failed(bench.operations().snapshot(bench.disk(), kDevice, options, {}),
                     Errc::kInvalidArgument));
}

// Devices of every kind of length: snapshot, rollback, export, import.
struct Size {
  std::uint64_t device_bytes;
  std::uint32_t chunk_bytes;
  host::DeviceKind kind;
};

class Sizes : public testing::TestWithParam<Size> {};

TEST_P(Sizes, GoRound) {
  const auto [length, chunk, kind] = GetParam();
  const Bytes first = pattern(length, 1);
  OperationsBench bench(first, chunk, kind);
  const SnapshotNumber number = bench.must_snapshot();
  EXPECT_TRUE(bench.exports_as(number, first));

  Bytes second = first;
  put(second, length - 1, pattern(1, 77));
  second[0] = std::byte{0};
  bench.write(0, second);
  const auto back = bench.rollback(number);
  ASSERT_TRUE(ok(back));
  EXPECT_TRUE(same(bench.device(), first));
  ASSERT_TRUE(ok(bench.undo()));
  EXPECT_TRUE(same(bench.device(), second));

  // All zero, and back.
  bench.write(0, Bytes(length));
  const SnapshotNumber nothing = bench.must_snapshot();
  ASSERT_TRUE(ok(bench.rollback(number, false)));
  EXPECT_TRUE(same(bench.device(), first));
  const auto zeroed = bench.rollback(nothing, false);
  ASSERT_TRUE(ok(zeroed));
  EXPECT_EQ(zeroed->zeroed_bytes, length);
  EXPECT_TRUE(same(bench.device(), Bytes(length)));

  bench.env().add_device("/image", length);
  bench.env().poke("/image", 0, second);
  const auto imported = bench.operations().import_image(bench.disk(), "/image", {}, {});
  ASSERT_TRUE(ok(imported));
  EXPECT_TRUE(bench.exports_as(bench.number(imported->snapshot_id), second));
  EXPECT_TRUE(bench.all_verify());
  EXPECT_TRUE(bench.empties());
  EXPECT_EQ(bench.device().size(), length);
}

constexpr auto kFile = host::DeviceKind::kFile;
constexpr auto kBlock = host::DeviceKind::kBlock;
INSTANTIATE_TEST_SUITE_P(
    Operations, Sizes,
    testing::Values(Size{1, 4096, kFile}, Size{511, 4096, kFile}, Size{4097, 4096, kFile},
                    Size{512, 4096, kBlock}, Size{65536 + 512, 65536, kBlock},
                    Size{7 * 4096 + 512, 4096, kBlock}, Size{128 * 4096, 4096, kBlock},
                    Size{129 * 4096 + 1, 4096, kFile}, Size{3 * kMiB + 512, 1 << 20, kBlock},
                    Size{5 * kMiB + 123457, 1 << 20, kFile}),
    [](const auto& size) {
      return std::to_string(size.param.device_bytes) + "In" +
             std::to_string(size.param.chunk_bytes) + (size.param.kind == kFile ? "File" : "Block");
    });

// The cost depends on the amount written, not on the size of the device.
TEST(Snapshot, SixteenTebibytesOfHoles) {
  OperationsBench bench(Bytes(1), kDefaultChunkBytes, kFile);
  constexpr const char* kLarge = "/large.img";
  bench.env().add_device(kLarge, 16 * kTiB);
  const std::vector<std::uint64_t> places = {0, 7 * kTiB + 12345, 16 * kTiB - 4096};
  for (const std::uint64_t at : places) bench.env().poke(kLarge, at, pattern(4096, at));
  const auto registered = bench.operations().register_disk(kLarge, kMaxChunkBytes);
  ASSERT_TRUE(ok(registered));
  const DiskNumber disk = registered->disk.number;
  const auto taken = bench.operations().snapshot(disk, kLarge, {}, {});
  ASSERT_TRUE(ok(taken));
  EXPECT_EQ(taken->device_bytes, 16 * kTiB);
  EXPECT_EQ(taken->stored_bytes, 3 * kMiB);
  EXPECT_LE(taken->scanned_bytes, 3 * kMiB);

  for (const std::uint64_t at : places) bench.env().poke(kLarge, at, pattern(4096, at + 1));
  bench.env().poke(kLarge, 9 * kTiB, pattern(100, 9));
  const SnapshotNumber target = bench.operations().disk(disk)->value().snapshots.front().number;
  const auto back = bench.operations().rollback(
      {.disk = disk, .target = target, .path = kLarge, .request_id = OperationsBench::kRequest},
      {});
  ASSERT_TRUE(ok(back));
  EXPECT_EQ(back->restored_bytes, 3 * kMiB);
  EXPECT_EQ(back->zeroed_bytes, 1 * kMiB);
  for (const std::uint64_t at : places) {
    EXPECT_TRUE(same(bench.env().contents(kLarge, {at, 4096}), pattern(4096, at)));
  }
  EXPECT_TRUE(same(bench.env().contents(kLarge, {9 * kTiB, 100}), Bytes(100)));
}

TEST(Diff, OfTheDeviceAndOfSnapshots) {
  Bytes content = pattern(10 * kChunk + 512, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber first = bench.must_snapshot();
  for (const std::uint64_t chunk : {2, 3, 7, 10}) put(content, chunk * kChunk, pattern(512, 2));
  bench.write(0, content);

  const auto expected = ElementsAre(Extent{2 * kChunk, 2 * kChunk}, Extent{7 * kChunk, kChunk},
                                    Extent{10 * kChunk, 512});
  std::vector<Extent> extents;
  const auto visit = [&](Extent extent) { extents.push_back(extent); };
  const auto now = bench.operations().diff_device(bench.disk(), kDevice, first, visit, {});
  ASSERT_TRUE(ok(now));
  EXPECT_THAT(extents, expected);
  EXPECT_EQ(now->changed_bytes, 3U * kChunk + 512);
  EXPECT_EQ(now->extents, 3U);

  const SnapshotNumber second = bench.must_snapshot();
  extents.clear();
  const auto between =
      bench.operations().diff_snapshots(bench.key(first), bench.key(second), visit, {});
  ASSERT_TRUE(ok(between));
  EXPECT_THAT(extents, expected);
  EXPECT_EQ(between->scanned_bytes, 0U);

  extents.clear();
  ASSERT_TRUE(ok(bench.operations().diff_device(bench.disk(), kDevice, second, visit, {})));
  EXPECT_THAT(extents, IsEmpty());
}

TEST(Import, CarriesItsTimeAlong) {
  OperationsBench bench(pattern(2 * kChunk, 1), kChunk);
  bench.env().add_device("/old.img", 2 * kChunk);
  bench.env().set_modified_at("/old.img", 1234567);
  const auto dated = bench.operations().import_image(bench.disk(), "/old.img", {}, {});
  ASSERT_TRUE(ok(dated));
  EXPECT_EQ(bench.view().snapshots[0].created_at, 1234567);
  EXPECT_EQ(bench.view().snapshots[0].kind, SnapshotKind::kImport);
  EXPECT_EQ(bench.view().disk.base_snapshot, 0U) << "the device does not equal an imported image";
  ImportOptions options;
  options.created_at = 7;
  const auto told = bench.operations().import_image(bench.disk(), "/old.img", options, {});
  ASSERT_TRUE(ok(told));
  EXPECT_EQ(bench.view().snapshots[1].created_at, 7);
  ASSERT_TRUE(ok(bench.rollback(bench.view().snapshots[0].number)));
  EXPECT_TRUE(same(bench.device(), Bytes(2 * kChunk)));

  bench.env().add_device("/other.img", 3 * kChunk);
  EXPECT_TRUE(failed(bench.operations().import_image(bench.disk(), "/other.img", {}, {}),
                     Errc::kInvalidArgument));
}

TEST(Export, NeverOverwritesAndLeavesNoHalfImage) {
  OperationsBench bench(pattern(8 * kChunk, 1), kChunk);
  const SnapshotNumber number = bench.must_snapshot();
  bench.env().add_device("/precious", 10);
  EXPECT_TRUE(failed(bench.operations().export_image(bench.key(number), "/precious", {}, {}),
                     Errc::kAlreadyExists));
  EXPECT_EQ(bench.env().contents("/precious").size(), 10U);

  ASSERT_TRUE(bench.spoil(pattern(8 * kChunk, 1), 5 * kChunk));
  const auto failure = bench.operations().export_image(bench.key(number), "/half", {}, {});
  ASSERT_TRUE(failed(failure, Errc::kIntegrity));
  EXPECT_THAT(failure.error().to_string(), HasSubstr("chunk 5"));
  const auto there = bench.env().exists("/half");
  ASSERT_TRUE(ok(there));
  EXPECT_FALSE(*there);
}

TEST(Verify, FindsWhatIsDamagedAndWhoSharesIt) {
  Bytes content = pattern(6 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber first = bench.must_snapshot();
  put(content, 0, pattern(kChunk, 2));
  bench.write(0, content);
  const SnapshotNumber second = bench.must_snapshot();
  put(content, 4 * kChunk, pattern(kChunk, 3));
  bench.write(0, content);
  const SnapshotNumber third = bench.must_snapshot();
  ASSERT_TRUE(bench.all_verify());

  // Chunk 4 of the first: the second shares it, the third does not.
  ASSERT_TRUE(bench.spoil(pattern(6 * kChunk, 1), 4 * kChunk));
  const auto receipt =
      bench.operations().verify({bench.key(first), bench.key(second), bench.key(third)}, {});
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->damaged.size(), 2U);
  ASSERT_FALSE(receipt->findings.empty());
  EXPECT_THAT(receipt->findings[0], HasSubstr("chunk 4"));
  EXPECT_TRUE(bench.view().snapshots[0].damaged);
  EXPECT_TRUE(bench.view().snapshots[1].damaged);
  EXPECT_FALSE(bench.view().snapshots[2].damaged);
  EXPECT_TRUE(bench.exports_as(third, content));
  // A damaged snapshot can still be deleted completely.
  EXPECT_TRUE(bench.empties());
}

TEST(Delete, ReturnsWhatOnlyThatSnapshotUsed) {
  Bytes content = pattern(40 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber first = bench.must_snapshot();
  const auto one = bench.operations().store_info();
  for (const std::uint64_t chunk : {3, 4, 30}) put(content, chunk * kChunk, pattern(kChunk, chunk));
  bench.write(0, content);
  const SnapshotNumber second = bench.must_snapshot();
  const auto two = bench.operations().store_info();
  ASSERT_TRUE(ok(one) && ok(two));

  const auto removed = bench.remove(first);
  ASSERT_TRUE(ok(removed));
  const auto left = bench.operations().store_info();
  ASSERT_TRUE(ok(left));
  // Three chunks and at least the node that led to them.
  EXPECT_GT(removed->reclaimed_bytes, 3U * kChunk);
  EXPECT_EQ(left->live_bytes, two->live_bytes - removed->reclaimed_bytes);
  EXPECT_EQ(left->live_bytes, one->live_bytes);
  EXPECT_LT(left->allocated_bytes, two->allocated_bytes);
  EXPECT_TRUE(bench.exports_as(second, content));
  EXPECT_TRUE(bench.all_verify());
  EXPECT_TRUE(failed(bench.remove(first), Errc::kNotFound));
  EXPECT_TRUE(bench.empties());
}

TEST(Collect, RemovesOrphansAndCompactsTheLogs) {
  OperationsBench bench(pattern(8 * kChunk, 1), kChunk);
  for (unsigned i = 0; i < 4; ++i) {
    bench.write(0, pattern(kChunk, i));
    const SnapshotNumber number = bench.must_snapshot();
    if (i < 3) {
      ASSERT_TRUE(ok(bench.remove(number)));
    }
  }
  bench.env().add_device(std::string(kStore) + "/disks/1/segments/4711", 3 * kChunk);
  const auto before = bench.operations().store_info();
  const auto collected = bench.operations().collect({});
  const auto after = bench.operations().store_info();
  ASSERT_TRUE(ok(before) && ok(collected) && ok(after));
  EXPECT_EQ(collected->removed_files, 1U);
  EXPECT_EQ(collected->reclaimed_bytes, 0U) << "it is one hole";
  EXPECT_TRUE(collected->checkpointed);
  EXPECT_LT(after->journal_bytes, before->journal_bytes);
  ASSERT_TRUE(ok(bench.open()));
  ASSERT_EQ(bench.view().snapshots.size(), 1U);
  EXPECT_TRUE(bench.exports_as(bench.view().snapshots[0].number, bench.device()));
}

// Missing parts are not damage: the snapshot no longer exists.
TEST(Verify, PassesOverASnapshotThatIsDeletedMeanwhile) {
  Bytes content = pattern(20 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber stays = bench.must_snapshot();
  put(content, 0, pattern(20 * kChunk, 2));
  bench.write(0, content);
  const SnapshotNumber goes = bench.must_snapshot();
  auto other = Operations::open(bench.env(), {.store = kStore, .threads = 1});
  ASSERT_TRUE(ok(other));
  bool deleted = false;
  const Monitor monitor{[&](const Progress&) {
    if (std::exchange(deleted, true)) return;
    EXPECT_TRUE(ok((*other)->remove_snapshot(bench.key(goes), {})));
  }};
  const auto receipt = bench.operations().verify({bench.key(stays), bench.key(goes)}, monitor);
  ASSERT_TRUE(ok(receipt));
  EXPECT_TRUE(deleted);
  EXPECT_THAT(receipt->damaged, testing::IsEmpty());
  EXPECT_THAT(receipt->findings, testing::IsEmpty());
  EXPECT_TRUE(bench.exports_as(stays, pattern(20 * kChunk, 1)));
}

// At any moment of a verify of all, and by a process that the verifying one knows nothing of.
TEST(Verify, PassesOverADiskThatIsRemovedMeanwhile) {
  const char* const second = "/dev/second";
  bool removed = true;
  int moments = 0;
  for (int nth = 1; removed; ++nth) {
    SCOPED_TRACE(nth);
    OperationsBench bench(pattern(20 * kChunk, 1), kChunk);
    bench.must_snapshot();
    bench.env().add_device(second, 20 * kChunk, host::DeviceKind::kBlock);
    bench.env().poke(second, 0, pattern(20 * kChunk, 2));
    const auto added = bench.operations().register_disk(second, kChunk);
    ASSERT_TRUE(ok(added));
    const DiskNumber goes = added->disk.number;
    ASSERT_TRUE(ok(bench.operations().snapshot(goes, second, {}, {})));
    bench.env().poke(second, 0, pattern(20 * kChunk, 3));
    ASSERT_TRUE(ok(bench.operations().snapshot(goes, second, {}, {})));
    const auto snapshots = (*bench.operations().disk(goes))->snapshots;
    ASSERT_EQ(snapshots.size(), 2U);
    // Recorded as damaged, and intact by now: there is something to record.
    bench.env().rot_bit(bench.home().segments(goes) + "/1", 4096 + 100, 0);
    ASSERT_FALSE(bench.operations().verify({}, {})->damaged.empty());
    bench.env().heal();
    ASSERT_TRUE(ok(bench.open())) << "with no segment open";
    auto other = Operations::open(bench.env(), {.store = kStore, .threads = 1});
    ASSERT_TRUE(ok(other));
    removed = false;
    int calls = 0;
    const Monitor monitor{[&](const Progress&) {
      if (++calls != nth) return;
      removed = true;
      ++moments;
      for (const auto& snapshot : snapshots) {
        EXPECT_TRUE(ok((*other)->remove_snapshot({goes, snapshot.number}, {})));
      }
      EXPECT_TRUE(ok((*other)->forget_disk(goes)));
    }};
    const auto receipt = bench.operations().verify({}, monitor);
    ASSERT_TRUE(ok(receipt));
    EXPECT_THAT(receipt->damaged, testing::IsEmpty());
    EXPECT_THAT(receipt->findings, testing::IsEmpty());
    EXPECT_TRUE(receipt->unreadable_disks.empty());
    EXPECT_GE(receipt->snapshots, 1U);
  }
  EXPECT_GT(moments, 1);
}

// Two processes that registered disks at once could make the index and the log differ.
TEST(Index, IsCorrectedByTheNextOwnerOfTheDisk) {
  OperationsBench bench(pattern(4 * kChunk, 1), kChunk);
  (void)bench.must_snapshot();
  const std::string id = bench.view().disk.id;
  const auto store = store::Store::open(bench.env(), kStore);
  ASSERT_TRUE(ok(store));
  store::Log& index = (*store)->index();
  ASSERT_TRUE(ok(index.update([](const store::State& state) -> Result<format::Transaction> {
    format::DiskRecord record = *state.disk(1);
    record.id = "d-another";
    return format::Transaction{std::move(record)};
  })));
  (void)bench.must_snapshot();
  ASSERT_TRUE(ok(index.refresh()));
  EXPECT_EQ(index.state()->disk(1)->id, id);
}

// It occupies space and no more: only the delete itself and a garbage collection need it finished.
TEST(Delete, ThatCannotBeFinishedStopsNoOtherOperation) {
  Bytes content = pattern(20 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber goes = bench.must_snapshot();
  put(content, 0, pattern(10 * kChunk, 2));
  bench.write(0, content);
  const SnapshotNumber stays = bench.must_snapshot();
  const auto fail_punches = [&] {
    bench.env().inject(
        {.kinds = {sim::OpKind::kDiscard}, .path = "/segments/", .from_then_on = true});
  };
  fail_punches();
  ASSERT_TRUE(failed(bench.remove(goes), Errc::kIo));
  EXPECT_EQ(bench.view().deleting.size(), 1U);
  const auto again = bench.remove(goes);
  ASSERT_TRUE(failed(again, Errc::kIo));
  EXPECT_FALSE(words_of(again.error()).empty());
  EXPECT_TRUE(failed(bench.operations().collect({}), Errc::kIo));
  const Bytes later = pattern(20 * kChunk, 3);
  bench.write(0, later);
  const SnapshotNumber newest = bench.must_snapshot();
  ASSERT_TRUE(ok(bench.rollback(stays)));
  EXPECT_TRUE(same(bench.device(), content));
  EXPECT_TRUE(ok(bench.undo()));
  EXPECT_TRUE(same(bench.device(), later));
  bench.env().clear_faults();
  const auto collected = bench.operations().collect({});
  ASSERT_TRUE(ok(collected));
  EXPECT_EQ(collected->finished_deletes, 1U);
  EXPECT_TRUE(bench.view().deleting.empty());
  EXPECT_TRUE(bench.exports_as(stays, content));
  EXPECT_TRUE(bench.exports_as(newest, later));
  EXPECT_TRUE(bench.all_verify());
  EXPECT_TRUE(bench.empties());
}

TEST(Delete, ThatCannotBeFinishedDoesNotKeepTheDisk) {
  Bytes content = pattern(20 * kChunk, 1);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber goes = bench.must_snapshot();
  put(content, 0, pattern(10 * kChunk, 2));
  bench.write(0, content);
  const SnapshotNumber other = bench.must_snapshot();
  bench.env().inject(
      {.kinds = {sim::OpKind::kDiscard}, .path = "/segments/", .from_then_on = true});
  ASSERT_TRUE(failed(bench.remove(goes), Errc::kIo));
  EXPECT_TRUE(ok(bench.remove(other))) << "it needs no hole: whole segments go";
  EXPECT_TRUE(ok(bench.operations().forget_disk(bench.disk())));
  EXPECT_TRUE(ok(bench.operations().collect({})));
}

}  // namespace
}  // namespace blkrewind::test
