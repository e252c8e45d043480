// Clones: other disks that share what a snapshot holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "format/geometry.h"
#include "support/clone_bench.h"

namespace blkrewind::test {
namespace {

using sim::HomeType;
using testing::HasSubstr;
using testing::Not;

// Chunks with and without bytes; the last one has `tail` bytes.
Bytes content(std::uint64_t chunks, std::uint64_t tail, std::uint64_t seed) {
  Bytes bytes(chunks * kChunk + tail);
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    if (chunk % 3 != 1) put(bytes, chunk * kChunk, pattern(kChunk, seed * 1000 + chunk));
  }
  if (tail != 0) put(bytes, chunks * kChunk, pattern(tail, seed * 1000 + chunks));
  return bytes;
}

Bytes padded(Bytes bytes, std::uint64_t size) {
  bytes.resize(size);
  return bytes;
}

StoreInfo info_of(OperationsBench& bench) {
  const auto info = bench.operations().store_info();
  EXPECT_TRUE(ok(info));
  return info ? *info : StoreInfo{};
}

// Refused, with `words` in the message and something to do about it.
template <class T>
testing::AssertionResult refused(const Result<T>& result, Errc code, const std::string& words) {
  if (result) return testing::AssertionFailure() << "was not refused";
  const Error& error = result.error();
  if (error.code != code || error.message.find(words) == std::string::npos ||
      error.remedy.empty()) {
    return testing::AssertionFailure() << to_string(error.code) << " " << error.to_string();
  }
  return testing::AssertionSuccess();
}

class Clone : public testing::TestWithParam<HomeType> {
 protected:
  static constexpr std::uint64_t kChunks = 9;

  // Another content of the device, and its snapshot.
  SnapshotNumber next(std::uint64_t seed) {
    bench_.write(0, content(kChunks, 0, seed));
    return bench_.must_snapshot();
  }
  // A device of that size that is not registered, with bytes of its own.
  Bytes add(const std::string& path, std::uint64_t size) {
    Bytes bytes = pattern(size, 77);
    bench_.env().add_device(path, size, host::DeviceKind::kBlock);
    bench_.env().poke(path, 0, bytes);
    return bytes;
  }
  DiskView must_clone(SnapshotNumber number, const std::string& path) {
    return must_clone(bench_.key(number), path);
  }
  DiskView must_clone(const SnapshotKey& key, const std::string& path) {
    const auto receipt = clone_to(bench_, key, path);
    EXPECT_TRUE(ok(receipt));
    const auto view = receipt ? find_disk(bench_, receipt->disk_id) : std::nullopt;
    EXPECT_TRUE(view.has_value());
    return view.value_or(DiskView{});
  }
  // Nothing is left of an attempt.
  void expect_no_clone() {
    EXPECT_FALSE(only_clone(bench_).has_value());
    EXPECT_TRUE(bench_.view().holds.empty());
    EXPECT_TRUE(ok(bench_.operations().collect({})));
    const auto disks = bench_.operations().disks();
    ASSERT_TRUE(ok(disks));
    EXPECT_EQ(disks->size(), 1U);
  }

  const Bytes content_ = content(kChunks, 0, 1);
  OperationsBench bench_{content_, kChunk, host::DeviceKind::kBlock, GetParam()};
};

TEST_P(Clone, HoldsTheSameAndTakesNoSpace) {
  const SnapshotNumber number = bench_.must_snapshot();
  next(2);
  bench_.env().add_device(kCloneDevice, content_.size(), host::DeviceKind::kBlock);
  const StoreInfo before = info_of(bench_);
  const auto receipt = clone_to(bench_, bench_.key(number), kCloneDevice);
  ASSERT_TRUE(ok(receipt));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), content_));
  EXPECT_EQ(receipt->stored_bytes, 0U);
  EXPECT_FALSE(receipt->file_created);
  const auto clone = find_disk(bench_, receipt->disk_id);
  ASSERT_TRUE(clone.has_value());
  EXPECT_EQ(clone->snapshots.front().id, receipt->snapshot_id);
  EXPECT_EQ(clone->disk.base_snapshot, 1U);
  EXPECT_EQ(clone->origin->snapshot_id, receipt->origin_snapshot_id);
  EXPECT_EQ(clone->origin->parent(), bench_.disk());
  EXPECT_EQ(bench_.number(receipt->origin_snapshot_id), number);
  EXPECT_EQ(clone->snapshots.front().zero_bytes, 3U * kChunk);
  const StoreInfo after = info_of(bench_);
  // The undo snapshot is of zeroes.
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_EQ(after.allocated_bytes, before.allocated_bytes);
  EXPECT_EQ(after.disks, 2U);
  EXPECT_TRUE(exports_as(bench_, {clone->disk.number, 1}, content_));
  ASSERT_TRUE(ok(bench_.open()));
  EXPECT_TRUE(bench_.all_verify());
  EXPECT_TRUE(exports_as(bench_, {clone->disk.number, 1}, content_));
}

// It is rolled back, changed and undone as any other disk.
TEST_P(Clone, IsADiskOfItsOwn) {
  const SnapshotNumber number = bench_.must_snapshot();
  const Bytes former = add(kCloneDevice, content_.size());
  const DiskNumber clone = must_clone(number, kCloneDevice).disk.number;
  bench_.env().poke(kCloneDevice, kChunk, pattern(kChunk, 5));
  const Bytes changed = bench_.env().contents(kCloneDevice);
  auto& operations = bench_.operations();
  const auto taken = operations.snapshot(clone, kCloneDevice, {}, {});
  ASSERT_TRUE(ok(taken));
  EXPECT_EQ(taken->stored_bytes, kChunk);
  const auto back = [&](SnapshotNumber to) {
    return operations.rollback({.disk = clone,
                                .target = to,
                                .path = kCloneDevice,
                                .request_id = OperationsBench::kRequest},
                               {});
  };
  ASSERT_TRUE(ok(back(1)));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), content_));
  std::uint64_t differing = 0;
  ASSERT_TRUE(ok(operations.diff_snapshots(
      {clone, 1}, {clone, 3}, [&](Extent extent) { differing += extent.length; }, {})));
  EXPECT_EQ(differing, kChunk);
  ASSERT_TRUE(ok(back(2)));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), former)) << "the undo of the clone itself";
  ASSERT_TRUE(ok(back(3)));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), changed));
  EXPECT_TRUE(same(bench_.device(), content_));
  EXPECT_TRUE(bench_.all_verify());
}

TEST_P(Clone, OnALargerDeviceIsZeroBehindTheSnapshot) {
  constexpr std::uint64_t kLeaf = format::kFanout * kChunk;
  unsigned device = 0;
  for (const std::uint64_t tail : {std::uint64_t{0}, std::uint64_t{512}}) {
    for (const std::uint64_t chunks : {std::uint64_t{1}, std::uint64_t{8}, format::kFanout + 3ul}) {
      const Bytes small = content(chunks, tail, 4);
      OperationsBench bench(small, kChunk, host::DeviceKind::kBlock, GetParam());
      const SnapshotNumber number = bench.must_snapshot();
      for (const std::uint64_t more : {std::uint64_t{512}, std::uint64_t{kChunk},
                                       5 * std::uint64_t{kChunk} + 512, kLeaf, 3 * kLeaf}) {
        SCOPED_TRACE(std::to_string(small.size()) + " + " + std::to_string(more));
        const std::string path = "/dev/larger" + std::to_string(++device);
        bench.env().add_device(path, small.size() + more, host::DeviceKind::kBlock);
        bench.env().poke(path, small.size(), pattern(512, 3));
        const auto receipt = clone_to(bench, bench.key(number), path);
        ASSERT_TRUE(ok(receipt));
        const Bytes expected = padded(small, small.size() + more);
        EXPECT_TRUE(same(bench.env().contents(path), expected));
        const auto clone = find_disk(bench, receipt->disk_id);
        ASSERT_TRUE(clone.has_value());
        const auto& first = clone->snapshots.front();
        EXPECT_TRUE(exports_as(bench, {clone->disk.number, 1}, expected));
        // What an ordinary snapshot of the same bytes would be.
        std::uint64_t zero = 0;
        for (std::uint64_t at = 0; at < expected.size(); at += kChunk) {
          const auto length = std::min<std::uint64_t>(kChunk, expected.size() - at);
          const auto from = expected.begin() + static_cast<std::ptrdiff_t>(at);
          if (std::all_of(from, from + static_cast<std::ptrdiff_t>(length),
                          [](std::byte byte) { return byte == std::byte{0}; })) {
            zero += length;
          }
        }
        EXPECT_EQ(first.zero_bytes, zero);
        EXPECT_EQ(first.stored_bytes, tail == 0 ? 0 : std::min<std::uint64_t>(kChunk, tail + more));
        // At most the short chunk, the nodes on the way to it, and those above.
        EXPECT_LE(receipt->stored_bytes, 4U * kChunk);
        const auto again = bench.operations().snapshot(clone->disk.number, path, {}, {});
        ASSERT_TRUE(ok(again));
        EXPECT_EQ(again->root_digest, to_hex(first.root_digest));
        EXPECT_EQ(again->stored_bytes, 0U);
      }
      EXPECT_TRUE(bench.all_verify());
    }
  }
}

TEST_P(Clone, OfACloneSharesWithBoth) {
  const SnapshotNumber number = bench_.must_snapshot();
  add(kCloneDevice, content_.size() + 512);
  const DiskView middle = must_clone(number, kCloneDevice);
  next(2);  // segments of the first disk with numbers that the clone has as well
  bench_.env().poke(kCloneDevice, 2 * kChunk, pattern(kChunk, 6));
  const Bytes changed = bench_.env().contents(kCloneDevice);
  const auto taken = bench_.operations().snapshot(middle.disk.number, kCloneDevice, {}, {});
  ASSERT_TRUE(ok(taken));
  const SnapshotKey of_middle{middle.disk.number,
                              find_disk(bench_, middle.disk.id)->snapshots.back().number};
  add("/dev/second", changed.size());
  const DiskView second = must_clone(of_middle, "/dev/second");
  EXPECT_TRUE(same(bench_.env().contents("/dev/second"), changed));
  ASSERT_EQ(second.origin->shares.size(), 2U);
  EXPECT_EQ(second.origin->shares[0].disk, bench_.disk());
  EXPECT_EQ(second.origin->parent(), middle.disk.number);
  ASSERT_TRUE(ok(bench_.open()));
  EXPECT_TRUE(exports_as(bench_, {second.disk.number, 1}, changed));
  EXPECT_TRUE(bench_.all_verify());

  // The one in the middle cannot go, and neither can what it shares with.
  auto& operations = bench_.operations();
  EXPECT_TRUE(
      refused(operations.remove_snapshot(of_middle, {}), Errc::kPrecondition, second.disk.id));
  ASSERT_TRUE(ok(forget_clone(bench_, second)));
  ASSERT_TRUE(ok(forget_clone(bench_, *find_disk(bench_, middle.disk.id))));
  expect_no_clone();
  EXPECT_TRUE(bench_.empties());
}

TEST_P(Clone, KeepsWhatItWasMadeFrom) {
  const SnapshotNumber first = bench_.must_snapshot();
  const SnapshotNumber number = next(2);
  next(3);
  add(kCloneDevice, content_.size());
  const DiskView clone = must_clone(number, kCloneDevice);
  auto& operations = bench_.operations();
  const auto refusal = operations.remove_snapshot(bench_.key(number), {});
  EXPECT_TRUE(refused(refusal, Errc::kPrecondition, clone.disk.id));
  EXPECT_THAT(refusal.error().message, HasSubstr(kCloneDevice));
  EXPECT_NE(refusal.error().remedy.find(Verb::kDiskForget), nullptr);
  EXPECT_TRUE(
      refused(operations.check_not_held(bench_.disk()), Errc::kPrecondition, clone.disk.id));
  EXPECT_TRUE(refused(operations.forget_disk(bench_.disk()), Errc::kPrecondition, clone.disk.id));
  EXPECT_TRUE(ok(operations.check_not_held(clone.disk.number)));

  // Its neighbours go, and nothing of it with them.
  ASSERT_TRUE(ok(bench_.remove(first)));
  ASSERT_TRUE(ok(bench_.remove(bench_.view().snapshots.back().number)));
  ASSERT_TRUE(ok(operations.collect({})));
  EXPECT_TRUE(exports_as(bench_, {clone.disk.number, 1}, content(kChunks, 0, 2)));
  EXPECT_TRUE(bench_.all_verify());

  ASSERT_TRUE(ok(forget_clone(bench_, clone)));
  EXPECT_TRUE(bench_.view().holds.empty());
  ASSERT_TRUE(ok(bench_.remove(number)));
  EXPECT_TRUE(bench_.empties());
}

// What the clone deletes are its own extents, whatever they stand beside.
TEST_P(Clone, DeletesOnlyItsOwn) {
  const SnapshotNumber number = bench_.must_snapshot();
  add(kCloneDevice, content_.size() + 3 * kChunk);
  const DiskNumber clone = must_clone(number, kCloneDevice).disk.number;
  auto& operations = bench_.operations();
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    bench_.env().poke(kCloneDevice, (seed % 4) * 2 * kChunk, pattern(kChunk, seed));
    ASSERT_TRUE(ok(operations.snapshot(clone, kCloneDevice, {}, {})));
  }
  const Bytes last = bench_.env().contents(kCloneDevice);
  const auto remove = [&](SnapshotNumber gone) {
    return operations.remove_snapshot({clone, gone}, {});
  };
  for (const SnapshotNumber gone : {1, 2, 4, 3, 5}) {
    ASSERT_TRUE(ok(remove(gone)));
    EXPECT_TRUE(exports_as(bench_, {clone, 6}, last)) << gone;
    EXPECT_TRUE(bench_.exports_as(number, content_)) << gone;
    EXPECT_TRUE(bench_.all_verify()) << gone;
  }
  const std::uint64_t before = info_of(bench_).live_bytes;
  ASSERT_TRUE(ok(remove(6)));
  ASSERT_TRUE(ok(operations.collect({})));
  const StoreInfo after = info_of(bench_);
  EXPECT_LT(after.live_bytes, before);
  EXPECT_TRUE(bench_.exports_as(number, content_));
  EXPECT_TRUE(refused(bench_.remove(number), Errc::kPrecondition, "a clone that shares its data"))
      << "the hold is for the clone's whole life";
  ASSERT_TRUE(ok(operations.forget_disk(clone)));
  EXPECT_TRUE(bench_.empties());
}

TEST_P(Clone, IsRefusedBeforeAnythingIsRecorded) {
  const SnapshotNumber number = bench_.must_snapshot();
  const std::uint64_t size = content_.size();
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), kDevice), Errc::kAlreadyExists,
                      "the snapshot is its own"));
  const Bytes bytes = add("/dev/small", size - 512);
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), "/dev/small"), Errc::kPrecondition,
                      "/dev/small has"));
  add("/dev/used", size);
  bench_.env().set_used_by("/dev/used", {{"mounted on /mnt", "unmount it"}});
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), "/dev/used"), Errc::kPrecondition,
                      "mounted on /mnt"));
  add("/dev/locked", size);
  bench_.env().set_read_only("/dev/locked", true);
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), "/dev/locked"), Errc::kPrecondition,
                      "read-only"));
  add("/dev/stores", size);
  bench_.env().set_holds_store("/dev/stores", true);
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), "/dev/stores"), Errc::kPrecondition,
                      "lives on"));
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), "/dev/missing"), Errc::kNotFound,
                      "there is no device"));
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), bench_.view().disk.id),
                      Errc::kInvalidArgument, "is the id of a disk"));
  EXPECT_FALSE(clone_to(bench_, bench_.key(number + 7), "/dev/small"));
  EXPECT_TRUE(same(bench_.env().contents("/dev/small"), bytes));
  expect_no_clone();
  EXPECT_EQ(bench_.view().snapshots.size(), 1U);
}

TEST_P(Clone, ToAPathWithoutAFileMakesOne) {
  const SnapshotNumber number = bench_.must_snapshot();
  bench_.env().add_directory("/images");
  const std::string path = "/images/clone.img";
  // Refused by a rule, which comes when the disk is there.
  const auto refusal = bench_.operations().clone(
      {.snapshot = bench_.key(number), .path = path},
      [](const DiskView&, SnapshotNumber) -> Result<RollbackReceipt> {
        return fail(Errc::kPrecondition, "the instance is locked", "unlock it");
      });
  EXPECT_TRUE(refused(refusal, Errc::kPrecondition, "the instance is locked"));
  EXPECT_FALSE(*bench_.env().exists(path));
  expect_no_clone();

  const auto receipt = clone_to(bench_, bench_.key(number), path);
  ASSERT_TRUE(ok(receipt));
  EXPECT_TRUE(receipt->file_created);
  EXPECT_TRUE(same(bench_.env().contents(path), content_));
  EXPECT_TRUE(
      refused(clone_to(bench_, bench_.key(number), path), Errc::kAlreadyExists, receipt->disk_id));
}

// Whatever ends it, nothing depends on that file: neither it nor the disk stays.
TEST_P(Clone, ThatIsNotCompletedIntoAFileOfItsOwnLeavesNothing) {
  const SnapshotNumber number = bench_.must_snapshot();
  bench_.env().add_directory("/images");
  const std::string path = "/images/clone.img";
  for (const bool undo : {true, false}) {
    for (const int error : {EIO, ENOSPC}) {
      SCOPED_TRACE(std::to_string(error) + (undo ? "" : ", without undo"));
      bench_.env().inject({.kinds = {sim::OpKind::kWrite}, .path = path, .nth = 2, .error = error});
      const auto cloned = clone_to(bench_, bench_.key(number), path, undo);
      bench_.env().clear_faults();
      ASSERT_FALSE(cloned);
      EXPECT_EQ(cloned.error().code, error == EIO ? Errc::kIo : Errc::kNoSpace);
      EXPECT_THAT(cloned.error().message, HasSubstr("nothing is left"));
      EXPECT_THAT(cloned.error().remedy.to_string(), HasSubstr("file system of " + path));
      EXPECT_THAT(cloned.error().remedy.to_string(), Not(HasSubstr("resume")));
      EXPECT_FALSE(*bench_.env().exists(path));
      expect_no_clone();
    }
  }
  const auto cloned = clone_to(bench_, bench_.key(number), path);
  ASSERT_TRUE(ok(cloned));
  EXPECT_TRUE(same(bench_.env().contents(path), content_));
}

// What has taken the place of that file meanwhile is not the clone's to remove.
TEST_P(Clone, ThatIsNotCompletedLeavesAnotherFileAlone) {
  const SnapshotNumber number = bench_.must_snapshot();
  bench_.env().add_directory("/images");
  const std::string path = "/images/clone.img";
  const std::string other = "/images/other.img";
  for (const bool moved : {true, false}) {
    const Bytes kept = pattern(kChunk, 77);
    if (moved) {
      ASSERT_TRUE(
          ok(bench_.env().open(other, {.access = io::Access::kReadWrite, .create_new = true})));
      bench_.env().poke(other, 0, kept);
    }
    const auto cloned = bench_.operations().clone(
        {.snapshot = bench_.key(number), .path = path},
        [&](const DiskView&, SnapshotNumber) -> Result<RollbackReceipt> {
          EXPECT_TRUE(ok(moved ? bench_.env().rename(other, path) : bench_.env().remove(path)));
          return fail(Errc::kIo, "the medium is gone");
        });
    ASSERT_TRUE(failed(cloned, Errc::kIo));
    EXPECT_EQ(*bench_.env().exists(path), moved);
    if (moved) {
      EXPECT_TRUE(same(bench_.env().contents(path), kept));
    }
    expect_no_clone();
    if (moved) {
      EXPECT_TRUE(ok(bench_.env().remove(path)));
    }
  }
}

TEST_P(Clone, ThatIsCancelledLeavesNoFileOfItsOwnButADeviceToResume) {
  const SnapshotNumber number = bench_.must_snapshot();
  bench_.env().add_directory("/images");
  add(kCloneDevice, content_.size());
  for (const std::string& path : {std::string("/images/clone.img"), std::string(kCloneDevice)}) {
    const auto cloned = cancelled_clone_to(bench_, bench_.key(number), path);
    ASSERT_TRUE(failed(cloned, Errc::kCancelled));
    const bool device = path == kCloneDevice;
    EXPECT_EQ(*bench_.env().exists(path), device);
    if (!device) {
      EXPECT_TRUE(cloned.error().remedy.empty());
      expect_no_clone();
    } else {
      const auto clone = only_clone(bench_);
      ASSERT_TRUE(clone.has_value() && clone->intent.has_value());
      ASSERT_TRUE(ok(bench_.operations().resume(clone->disk.number, path, false, {})));
      EXPECT_TRUE(same(bench_.env().contents(path), content_));
    }
  }
}

TEST_P(Clone, OfADiskThatIsBusyForLongIsRefused) {
  const SnapshotNumber number = bench_.must_snapshot();
  const Bytes former = add(kCloneDevice, content_.size());
  auto other = bench_.another_process();
  ASSERT_TRUE(ok(other));
  const auto lease = (*other)->hold_disk(bench_.disk());
  ASSERT_TRUE(ok(lease));
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), kCloneDevice), Errc::kBusy,
                      "another operation on disk"));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), former));
}

// What an undo snapshot could not read is not there in its clone either, which says so.
TEST_P(Clone, OfAnUndoSnapshotTellsOfItsPlaceholders) {
  const SnapshotNumber number = bench_.must_snapshot();
  bench_.write(0, content(kChunks, 0, 2));
  bench_.env().break_sectors(kDevice, {2 * kChunk, kChunk});
  const auto back = bench_.rollback(number);
  ASSERT_TRUE(ok(back));
  ASSERT_EQ(back->unreadable_bytes, kChunk);
  add(kCloneDevice, content_.size());
  const SnapshotNumber undo = bench_.view().disk.last_rollback.undo;
  const auto cloned = clone_to(bench_, bench_.key(undo), kCloneDevice);
  ASSERT_TRUE(ok(cloned));
  EXPECT_EQ(cloned->rollback.marked_bytes, kChunk);
}

TEST_P(Clone, OfADamagedSnapshotLeavesTheTargetAsItWas) {
  const SnapshotNumber number = bench_.must_snapshot();
  const Bytes former = add(kCloneDevice, content_.size());
  ASSERT_TRUE(bench_.spoil(content_, 5 * kChunk));
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), kCloneDevice), Errc::kIntegrity,
                      "put back as it was"));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), former));
  expect_no_clone();
  EXPECT_TRUE(refused(clone_to(bench_, bench_.key(number), kCloneDevice, false), Errc::kIntegrity,
                      "corrupt"));
  EXPECT_TRUE(same(bench_.env().contents(kCloneDevice), former));
  expect_no_clone();
}

// A short last chunk is written anew, and nothing that was not verified.
TEST_P(Clone, OfADamagedShortChunkIsRefused) {
  const Bytes small = content(3, 512, 8);
  OperationsBench bench(small, kChunk, host::DeviceKind::kBlock, GetParam());
  const SnapshotNumber number = bench.must_snapshot();
  ASSERT_TRUE(bench.spoil(small, 3 * kChunk));
  bench.env().add_device(kCloneDevice, 2 * small.size(), host::DeviceKind::kBlock);
  EXPECT_TRUE(refused(clone_to(bench, bench.key(number), kCloneDevice), Errc::kIntegrity,
                      "chunk 3 is corrupt"));
  EXPECT_FALSE(only_clone(bench).has_value());
  EXPECT_TRUE(bench.view().holds.empty());
}

TEST_P(Clone, ThatWasInterruptedIsResumedOrUndone) {
  const SnapshotNumber number = bench_.must_snapshot();
  for (const bool backwards : {false, true}) {
    const std::string path = backwards ? "/dev/back" : "/dev/on";
    const Bytes former = add(path, content_.size());
    bench_.env().inject({.kinds = {sim::OpKind::kFlush}, .path = path});
    EXPECT_FALSE(clone_to(bench_, bench_.key(number), path));
    ASSERT_TRUE(ok(bench_.kill()));
    const auto clone = only_clone(bench_);
    ASSERT_TRUE(clone.has_value());
    ASSERT_TRUE(clone->intent.has_value()) << "what was written is not known to be flushed";
    EXPECT_TRUE(refused(bench_.remove(number), Errc::kPrecondition, clone->disk.id));
    ASSERT_TRUE(ok(bench_.operations().resume(clone->disk.number, path, backwards, {})));
    EXPECT_TRUE(same(bench_.env().contents(path), backwards ? former : content_));
    ASSERT_TRUE(ok(forget_clone(bench_, *only_clone(bench_))));
    expect_no_clone();
  }
}

// At every request of a process that makes a clone another one takes the snapshot's disk over and
// deletes the snapshot: it is refused, or there is no clone.
TEST(CloneOfALostDisk, ExistsOnlyIfItsSnapshotDoes) {
  const Bytes bytes = content(3, 512, 9);
  int deleted = 0;
  int refusals = 0;
  bool called = true;
  for (std::uint64_t request = 0; called && !testing::Test::HasFailure(); ++request) {
    SCOPED_TRACE("before request " + std::to_string(request));
    OperationsBench bench(bytes, kChunk, host::DeviceKind::kBlock, HomeType::kRemote);
    const SnapshotNumber number = bench.must_snapshot();
    bench.env().add_device(kCloneDevice, bytes.size(), host::DeviceKind::kBlock);
    auto other = bench.another_process();
    ASSERT_TRUE(ok(other));
    called = false;
    std::optional<Result<DeleteReceipt>> removed;
    bench.home().network()->call_after(request, [&] {
      called = true;
      bench.home().pool()->expire(bench.disk());
      EXPECT_TRUE(ok((*other)->refresh()));
      removed = (*other)->remove_snapshot(bench.key(number), {});
    });
    const auto cloned = clone_to(bench, bench.key(number), kCloneDevice);
    ASSERT_TRUE(ok(bench.open()));
    const auto clone = only_clone(bench);
    EXPECT_EQ(clone.has_value(), cloned.has_value());
    if (!called) {
      EXPECT_TRUE(ok(cloned));
    } else if (*removed) {
      ++deleted;
      ASSERT_FALSE(cloned);
      // Refused as such, and not because its data is gone.
      EXPECT_TRUE(cloned.error().code == Errc::kBusy || cloned.error().code == Errc::kNotFound)
          << cloned.error().to_string();
    } else {
      ++refusals;
      EXPECT_TRUE(clone.has_value()) << removed->error().to_string();
      EXPECT_TRUE(failed(*removed, Errc::kPrecondition));
    }
    EXPECT_TRUE(bench.all_verify());
  }
  EXPECT_GT(deleted, 3);
  EXPECT_GT(refusals, 3);
}

// The log of a pool is no file, which could be lost.
class CloneInFolder : public Clone {};

// A disk whose log is lost may be given up, unless a clone needs what it holds.
TEST_P(CloneInFolder, ALostLogIsNotGivenUpWhileItIsShared) {
  const SnapshotNumber number = bench_.must_snapshot();
  add(kCloneDevice, content_.size());
  const DiskView clone = must_clone(number, kCloneDevice);
  const format::DiskRecord disk = bench_.view().disk;
  const std::string log = std::string(kStore) + "/disks/1/log";
  const Bytes kept = bench_.env().contents(log);
  bench_.env().poke(log, 0, Bytes(4096));
  ASSERT_TRUE(ok(bench_.open()));
  EXPECT_TRUE(
      refused(bench_.operations().forget_lost_disk(disk), Errc::kPrecondition, clone.disk.id));
  EXPECT_TRUE(exports_as(bench_, {clone.disk.number, 1}, content_));
  // The clone's own log is lost as well: the clone first, then what it was made from.
  bench_.env().poke(std::string(kStore) + "/disks/2/log", 0, Bytes(4096));
  ASSERT_TRUE(ok(bench_.open()));
  ASSERT_TRUE(ok(bench_.operations().forget_lost_disk(clone.disk)));
  ASSERT_TRUE(ok(bench_.operations().forget_lost_disk(disk)));
}

TEST_P(CloneInFolder, ThatIsLostReleasesItsOrigin) {
  const SnapshotNumber number = bench_.must_snapshot();
  add(kCloneDevice, content_.size());
  const DiskView clone = must_clone(number, kCloneDevice);
  bench_.env().poke(std::string(kStore) + "/disks/2/log", 0, Bytes(4096));
  ASSERT_TRUE(ok(bench_.open()));
  EXPECT_TRUE(refused(bench_.remove(number), Errc::kPrecondition, clone.disk.id));
  ASSERT_TRUE(ok(bench_.operations().forget_lost_disk(clone.disk)));
  EXPECT_TRUE(bench_.view().holds.empty());
  ASSERT_TRUE(ok(bench_.remove(number)));
  EXPECT_TRUE(bench_.empties());
}

std::string name_of(const testing::TestParamInfo<HomeType>& home) {
  return home.param == HomeType::kLocal    ? "Local"
         : home.param == HomeType::kMemory ? "Memory"
                                           : "Remote";
}

INSTANTIATE_TEST_SUITE_P(Homes, CloneInFolder, testing::Values(HomeType::kLocal), name_of);
INSTANTIATE_TEST_SUITE_P(Homes, Clone,
                         testing::Values(HomeType::kLocal, HomeType::kMemory, HomeType::kRemote),
                         name_of);

}  // namespace
}  // namespace blkrewind::test
