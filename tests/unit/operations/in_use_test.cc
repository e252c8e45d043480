// Snapshots of a device that others use: of one instant, or none.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/operations_bench.h"
#include "support/simulated_use.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kDeviceBytes = 64 * kChunk;

class InUseBench {
 public:
  InUseBench() : bench_(pattern(kDeviceBytes, 1), kChunk), use_(bench_.env(), kDevice, kChunk) {
    online_.deadline = std::chrono::seconds(0);  // one try, once it was read
    open();
  }

  void open() {
    operations_.reset();
    auto opened = Operations::open(bench_.env(), {.store = kStore,
                                                  .home = bench_.home().open(),
                                                  .threads = 1,
                                                  .trackers = &use_.trackers(),
                                                  .freezer = &use_,
                                                  .patience = {}});
    EXPECT_TRUE(ok(opened));
    operations_ = std::move(*opened);
  }

  Result<SnapshotReceipt> snapshot(InUse in_use = InUse::kAuto) {
    SnapshotOptions options;
    options.online = online_;
    options.online.in_use = in_use;
    return operations_->snapshot(bench_.disk(), kDevice, options, {});
  }
  [[nodiscard]] testing::AssertionResult holds(const Result<SnapshotReceipt>& receipt,
                                               const Bytes& expected) {
    if (!receipt) return ok(receipt);
    const auto result = bench_.exports_as(bench_.number(receipt->snapshot_id), expected);
    return result ? bench_.all_verify() : result;
  }

  OperationsBench& bench() { return bench_; }
  SimulatedUse& use() { return use_; }
  OnlineOptions& online() { return online_; }
  Operations& operations() { return *operations_; }

 private:
  OperationsBench bench_;
  SimulatedUse use_;
  OnlineOptions online_;
  std::unique_ptr<Operations> operations_;
};

format::Capture capture_of(InUseBench& machine, const SnapshotReceipt& receipt) {
  const auto view = machine.bench().view();
  for (const auto& snapshot : view.snapshots) {
    if (snapshot.id == receipt.snapshot_id) return snapshot.capture;
  }
  return {};
}

TEST(SnapshotInUse, FreezesWhatIsMountedAndSaysSo) {
  InUseBench machine;
  machine.use().mount("/mnt");
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(machine.holds(receipt, machine.bench().device()));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kFrozen);
  EXPECT_EQ(receipt->frozen, std::vector<std::string>{"/mnt"});
  EXPECT_EQ(machine.use().freezes(), 1U);
  EXPECT_FALSE(machine.use().frozen());
  EXPECT_EQ(capture_of(machine, *receipt).from, TakenFrom::kFrozen);
}

TEST(SnapshotInUse, OfAFreeDeviceIsOffline) {
  InUseBench machine;
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(machine.holds(receipt, machine.bench().device()));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kOffline);
  EXPECT_EQ(machine.use().freezes(), 0U);
}

TEST(SnapshotInUse, OnlineOnRequestOfAFreeDevice) {
  InUseBench machine;
  const auto receipt = machine.snapshot(InUse::kOnline);
  ASSERT_TRUE(machine.holds(receipt, machine.bench().device()));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kQuiet);
}

TEST(SnapshotInUse, OfflineOnRequestRefusesADeviceInUse) {
  InUseBench machine;
  machine.use().mount("/mnt");
  EXPECT_TRUE(failed(machine.snapshot(InUse::kOffline), Errc::kPrecondition));
}

TEST(SnapshotInUse, HoldsTheDeviceAtTheFlipWhateverIsWrittenBesideIt) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    InUseBench machine;
    machine.online().deadline = std::chrono::seconds(5);
    sim::Random random(seed);
    const bool raw = random.next() % 3 == 0;
    if (raw) {
      machine.use().add_raw_user("open for writing");
    } else {
      machine.use().mount("/mnt");
    }
    const std::uint64_t eagerness = random.next() % 3 + 1;
    std::uint64_t left = 40;
    machine.use().on_step = [&](UseStep) {
      if (left == 0 || random.next() % 4 >= eagerness) return;
      --left;
      const std::uint64_t offset = random.next() % (kDeviceBytes / 512 - 8) * 512;
      const Bytes bytes = random.next() % 8 == 0 ? Bytes(4096) : pattern(4096, random.next());
      if (raw) {
        machine.use().write_raw(offset, bytes);
      } else {
        machine.use().write(offset, bytes);
      }
    };
    if (random.next() % 2 == 0) {
      ASSERT_TRUE(ok(machine.operations().start_tracking(machine.bench().disk(), kDevice,
                                                         track::TrackerKind::kBitmap)));
    }
    for (int round = 0; round < 3; ++round) {
      SCOPED_TRACE((raw ? "raw, round " : "mounted, round ") + std::to_string(round));
      left = 40;
      const auto receipt = machine.snapshot();
      ASSERT_TRUE(machine.holds(receipt, machine.use().at_flip()));
      EXPECT_EQ(receipt->taken_from, raw ? TakenFrom::kQuiet : TakenFrom::kFrozen);
      EXPECT_EQ(machine.use().mutations_while_frozen(), 0U);
    }
    machine.use().on_step = nullptr;
    ASSERT_TRUE(machine.bench().empties());
  }
}

TEST(SnapshotInUse, IsNotMadeWhileItIsWrittenToAllTheTime) {
  InUseBench machine;
  machine.use().add_raw_user("open for writing");
  std::uint64_t seed = 0;
  machine.use().on_step = [&](UseStep step) {
    if (step == UseStep::kQuiet) machine.use().write_raw(0, pattern(512, ++seed));
  };
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(failed(receipt, Errc::kPrecondition));
  EXPECT_NE(receipt.error().message.find("written to all the time"), std::string::npos);
  machine.use().on_step = nullptr;
  EXPECT_TRUE(machine.bench().view().snapshots.empty());
  EXPECT_TRUE(machine.bench().empties());
}

// A write that is under way at the flip may reach the medium while that is read, or after it.
TEST(SnapshotInUse, IsNotMadeWhileAWriteIsUnderWay) {
  InUseBench machine;
  machine.use().add_raw_user("open for writing");
  machine.use().begin_write({0, 512});
  ASSERT_TRUE(failed(machine.snapshot(), Errc::kPrecondition));
  machine.use().end_write(0, pattern(512, 7));
  ASSERT_TRUE(machine.holds(machine.snapshot(), machine.bench().device()));
}

TEST(SnapshotInUse, IsNotMadeWhereARawWriterMeetsTheWindow) {
  InUseBench machine;
  machine.use().mount("/mnt");
  std::uint64_t seed = 0;
  machine.use().on_step = [&](UseStep step) {
    if (step == UseStep::kQuiet && machine.use().frozen()) {
      machine.use().write_raw(0, pattern(512, ++seed));
    }
  };
  ASSERT_TRUE(failed(machine.snapshot(), Errc::kPrecondition));
  EXPECT_TRUE(machine.bench().view().snapshots.empty());
}

TEST(SnapshotInUse, IsNotMadeOnceAWriteHasEscapedTheMarks) {
  InUseBench machine;
  machine.use().mount("/mnt");
  machine.use().on_step = [&](UseStep step) {
    if (step == UseStep::kFreeze) machine.use().let_escape("a raw command");
  };
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(failed(receipt, Errc::kPrecondition));
  EXPECT_NE(receipt.error().message.find("a raw command"), std::string::npos);
}

TEST(SnapshotInUse, IsTriedAgainAFewTimesWhenTheLimitPasses) {
  InUseBench machine;
  machine.online().deadline = std::chrono::seconds(5);
  machine.use().mount("/mnt");
  unsigned late = 2;
  machine.use().on_step = [&](UseStep step) {
    if (step == UseStep::kHeldAsked && late != 0) {
      --late;
      machine.use().let_go();
    }
  };
  // Something to read within the window.
  ASSERT_TRUE(machine.holds(machine.snapshot(), machine.bench().device()));
  EXPECT_EQ(machine.use().freezes(), 3U);
  late = 100;
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(failed(receipt, Errc::kBusy));
  EXPECT_FALSE(machine.use().frozen());
}

TEST(SnapshotInUse, IsRefusedWhereTheStoreWouldBeFrozen) {
  InUseBench machine;
  machine.use().mount("/mnt");
  machine.use().mount("/srv");
  machine.use().set_store_on({machine.use().stack().mounted.back().id});
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(failed(receipt, Errc::kPrecondition));
  EXPECT_NE(receipt.error().message.find("the store stands on"), std::string::npos);
  EXPECT_EQ(machine.use().freezes(), 0U);
}

TEST(SnapshotInUse, IsRefusedOfAPartOfAFileSystem) {
  InUseBench machine;
  machine.use().mount("/mnt", "btrfs");
  machine.use().stack().partial = machine.use().stack().mounted;
  ASSERT_TRUE(failed(machine.snapshot(), Errc::kPrecondition));
  EXPECT_EQ(machine.use().freezes(), 0U);
}

TEST(SnapshotInUse, OfWhatCannotBeFrozenIsQuiet) {
  InUseBench machine;
  machine.use().mount("/mnt", "vfat");
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(machine.holds(receipt, machine.bench().device()));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kQuiet);
  EXPECT_EQ(machine.use().freezes(), 0U);
}

TEST(SnapshotInUse, OfWhatIsNeverWrittenNeedsNoFreeze) {
  InUseBench machine;
  machine.use().mount("/mnt");
  machine.use().mount("/snap", "squashfs");
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(machine.holds(receipt, machine.bench().device()));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kFrozen);
  EXPECT_EQ(receipt->frozen, std::vector<std::string>{"/mnt"});
}

TEST(SnapshotInUse, BesideOthersThanFrozenFileSystemsIsQuiet) {
  InUseBench machine;
  machine.use().mount("/mnt");
  machine.use().add_raw_user("open for writing");
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(machine.holds(receipt, machine.bench().device()));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kQuiet);
  EXPECT_EQ(receipt->frozen, std::vector<std::string>{"/mnt"});
}

TEST(SnapshotInUse, WithoutMarksOfASmallDeviceIsReadWhileItIsFrozen) {
  InUseBench machine;
  machine.use().without_marks();
  machine.use().mount("/mnt");
  machine.use().on_step = [&](UseStep step) {
    if (step == UseStep::kHeldAsked) machine.use().write(0, pattern(512, 9));
  };
  const Bytes before = machine.bench().device();
  const auto receipt = machine.snapshot();
  ASSERT_TRUE(machine.holds(receipt, before));
  EXPECT_EQ(receipt->taken_from, TakenFrom::kFrozen);
  machine.use().add_raw_user("open for writing");
  EXPECT_TRUE(failed(machine.snapshot(), Errc::kPrecondition));
}

// Neither marks nor a freeze: nothing would tell that it was written to.
TEST(SnapshotInUse, WithoutMarksAndWithoutAFreezeIsRefused) {
  InUseBench machine;
  machine.use().without_marks();
  EXPECT_TRUE(failed(machine.snapshot(InUse::kOnline), Errc::kPrecondition));
  EXPECT_TRUE(machine.bench().view().snapshots.empty());
}

TEST(SnapshotInUse, IsRefusedWhenSomebodyElseHasFrozenIt) {
  InUseBench machine;
  machine.use().mount("/mnt");
  Error busy;
  busy.code = Errc::kBusy;
  busy.message = "/mnt is frozen by somebody else";
  machine.use().refuse_freeze(busy);
  ASSERT_TRUE(failed(machine.snapshot(), Errc::kBusy));
  EXPECT_TRUE(machine.bench().empties());
}

}  // namespace
}  // namespace blkrewind::test
