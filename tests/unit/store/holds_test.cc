// Holds of clones that do not exist are dropped, those of clones that exist or may come into
// existence are not; and a process that has lost the disk completes no clone of it.
#include "store/holds.h"

#include <gtest/gtest.h>

#include "support/results.h"
#include "unit/store/homes.h"
#include "unit/store/store_fixture.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
using format::HoldRecord;
using test::failed;

Store::BuildDisk disk_named(const std::string& id) {
  return [id](const State&, DiskNumber number) -> Result<format::Transaction> {
    format::DiskRecord disk;
    disk.number = number;
    disk.id = id;
    return format::Transaction{disk};
  };
}

format::OriginRecord origin_of(DiskNumber clone) { return {clone, 1, "s-1", {{1, 5}}}; }

void put_hold(History& history, DiskNumber clone) {
  must(history.log().update([&](const State&) -> Result<format::Transaction> {
    return format::Transaction{HoldRecord{clone, 1}};
  }));
}

// A store of one disk that another process has open as well.
class HoldsTest : public testing::TestWithParam<HomeKind> {
 protected:
  void SetUp() override {
    header_ = must(Store::new_header());
    home_ = GetParam().make(env_, header_, 1);
    store_ = must(Store::open(home_.open()));
    must(store_->add_disk(disk_named("d-1")));
    other_ = must(Store::open(home_.open()));
  }
  // As the disk's next owner does.
  void settle(Store& store) {
    const auto lease = must(store.lease(1));
    must(lease->history()->log().make_last_record_durable());
    must(settle_holds(store, *lease->history()));
  }
  std::size_t holds() {
    const auto store = must(Store::open(home_.open()));
    return must(store->history(1))->state()->holds.size();
  }
  // Takes the disk's lease, and makes a clone that holds it. `between`: what happens when the hold
  // is there and the clone is not.
  Status make_clone(const std::function<void(DiskNumber)>& between) {
    const auto lease = must(store_->lease(1));
    Log& log = lease->history()->log();
    return store_->add_disk(
        disk_named("d-2"), [&](DiskNumber number, std::uint64_t) -> Result<Store::Beginning> {
          put_hold(*lease->history(), number);
          between(number);
          return Store::Beginning{{origin_of(number)}, {origin_of(number)}, [&log] {
                                    return log.make_last_record_durable();
                                  }};
        });
  }

  sim::SimulatedEnv env_;
  format::StoreHeader header_;
  HomeStore home_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Store> other_;
};

TEST_P(HoldsTest, OfAnExistingCloneStays) {
  must(make_clone([](DiskNumber) {}));
  settle(*other_);
  EXPECT_EQ(holds(), 1U);
  const auto index = must(Store::open(home_.open()))->disks();
  EXPECT_EQ(*index->origins.get(2), origin_of(2));
  EXPECT_TRUE(failed(check_not_shared(*index, *index->disk(1)), Errc::kPrecondition));
  EXPECT_TRUE(check_not_shared(*index, *index->disk(2)));
  {
    const auto lease = must(store_->lease(1));
    EXPECT_TRUE(failed(store_->remove_disk(1), Errc::kPrecondition));
  }
  {
    const auto lease = must(store_->lease(2));
    must(store_->remove_disk(2));
  }
  EXPECT_EQ(holds(), 1U);
  settle(*other_);
  EXPECT_EQ(holds(), 0U);
  EXPECT_TRUE(must(Store::open(home_.open()))->disks()->origins.empty());
}

TEST_P(HoldsTest, OfACloneThatWasNeverCompletedIsDropped) {
  {
    const auto lease = must(store_->lease(1));
    must(store_->add_disk(disk_named("d-3")));  // takes the number 2
    put_hold(*lease->history(), 2);
  }
  {
    const auto lease = must(store_->lease(2));
    must(store_->remove_disk(2));
  }
  settle(*other_);
  EXPECT_EQ(holds(), 0U);
}

// The clone exists, and the index was brought back from before.
TEST_P(HoldsTest, OfACloneThatAnOlderIndexDoesNotNameStays) {
  {
    const auto lease = must(store_->lease(1));
    put_hold(*lease->history(), 4711);
  }
  settle(*other_);
  EXPECT_EQ(holds(), 1U);
  const auto history = must(other_->history(1));
  format::SnapshotRecord snapshot;
  snapshot.number = 1;
  EXPECT_TRUE(
      failed(check_not_held(*other_->disks(), *history->state(), snapshot), Errc::kIntegrity));
  snapshot.number = 2;
  EXPECT_TRUE(check_not_held(*other_->disks(), *history->state(), snapshot));
}

// Of a home whose leases can be lost.
class LostHoldsTest : public HoldsTest {};

// While a clone is made the disk is taken over, without its owner's knowledge: the new owner drops
// the hold, and may then delete the snapshot.
TEST_P(LostHoldsTest, AFormerOwnerCompletesNoClone) {
  const Status made = make_clone([&](DiskNumber) {
    home_.expire(1);
    settle(*other_);
  });
  EXPECT_TRUE(failed(made, Errc::kBusy));
  EXPECT_EQ(holds(), 0U);
  const auto index = must(Store::open(home_.open()))->disks();
  EXPECT_FALSE(index->disks.contains(2));
  EXPECT_TRUE(index->origins.empty());
}

// The new owner comes between the former one's last look and its record of the index.
TEST_P(LostHoldsTest, AFormerOwnerThatLookedJustBeforeCompletesNoClone) {
  const auto lease = must(store_->lease(1));
  Log& log = lease->history()->log();
  int looks = 0;
  const Status made = store_->add_disk(
      disk_named("d-2"), [&](DiskNumber number, std::uint64_t) -> Result<Store::Beginning> {
        put_hold(*lease->history(), number);
        return Store::Beginning{{origin_of(number)}, {origin_of(number)}, [&]() -> Status {
                                  BLKREWIND_TRY(log.make_last_record_durable());
                                  if (++looks > 1) return {};
                                  home_.expire(1);
                                  settle(*other_);
                                  return {};
                                }};
      });
  EXPECT_TRUE(failed(made, Errc::kBusy));
  EXPECT_EQ(looks, 1) << "the second look found that the disk was lost";
  EXPECT_EQ(holds(), 0U);
  EXPECT_FALSE(must(Store::open(home_.open()))->disks()->disks.contains(2));
}

INSTANTIATE_TEST_SUITE_P(Homes, LostHoldsTest,
                         testing::Values(memory_home(), remote_home("Remote", {})),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(Homes, HoldsTest,
                         testing::Values(local_home(), memory_home(), remote_home("Remote", {})),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace blkrewind::store
