// Changes of several disks: all of them or none, whatever happens in between.
#include "store/group.h"

#include <gtest/gtest.h>

#include "format/record_codec.h"
#include "unit/store/homes.h"
#include "unit/store/store_fixture.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
using format::SegmentRecord;

constexpr format::SegmentId kMark = 4711;  // what the group puts into each log

Log::Build puts(std::uint64_t live_bytes, std::function<void()> before = {}) {
  return [=](const State&) -> Result<format::Transaction> {
    if (before) before();
    return format::Transaction{SegmentRecord{kMark, live_bytes}};
  };
}

bool has_mark(Store& store, DiskNumber disk) {
  return must(store.history(disk))->state()->segments.contains(kMark);
}

// As the next owner of each disk does, in that order.
void settle(Store& store, const std::vector<DiskNumber>& disks) {
  for (const DiskNumber disk : disks) {
    const auto lease = must(store.lease(disk));
    must(lease->history()->log().refresh());
    must(settle_groups(store, *lease->history()));
  }
}

std::uint64_t pending_in(Store& store, DiskNumber disk) {
  return must(store.history(disk))->log().state()->pending.size();
}

class GroupTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    (void)add_disk(*store_, "d-2");
  }
  [[nodiscard]] std::vector<GroupPart> parts(std::function<void()> between = {}) {
    return {{must(store_->lease(1)), puts(10)}, {must(store_->lease(2)), puts(20, between)}};
  }
};

TEST_F(GroupTest, TakesEffectInEachLogAndLeavesNothingBehind) {
  must(update_together(*store_, parts()));
  for (const DiskNumber disk : {1U, 2U}) {
    EXPECT_TRUE(has_mark(*store_, disk));
    EXPECT_EQ(pending_in(*store_, disk), 0U);
  }
  EXPECT_TRUE(store_->disks()->groups.empty());
  const auto again = must(Store::open(env_, kPath));
  EXPECT_EQ(*must(again->history(1))->log().state()->segments.get(kMark), 10U);
  EXPECT_EQ(*must(again->history(2))->log().state()->segments.get(kMark), 20U);
}

TEST_F(GroupTest, ARefusedPartRefusesAll) {
  std::vector<GroupPart> some = parts();
  some[1].build = [](const State&) -> Result<format::Transaction> {
    return fail(Errc::kAlreadyExists, "taken");
  };
  const Status refused = update_together(*store_, some);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kAlreadyExists);
  EXPECT_FALSE(has_mark(*store_, 1));
  EXPECT_FALSE(has_mark(*store_, 2));
  EXPECT_EQ(pending_in(*store_, 1), 0U);
  EXPECT_TRUE(store_->disks()->groups.empty());
}

TEST_F(GroupTest, APendingRecordSurvivesACheckpointAndIsNotTrueBeforeTheIndexSaysSo) {
  must(update_together(*store_, parts([&] {
    EXPECT_TRUE(must(history_->log().checkpoint(true)));
    const auto reader = must(Store::open(env_, kPath));
    EXPECT_EQ(pending_in(*reader, 1), 1U);
    EXPECT_FALSE(has_mark(*reader, 1));
  })));
  EXPECT_TRUE(has_mark(*store_, 1));
  EXPECT_TRUE(has_mark(*store_, 2));
}

TEST_F(GroupTest, EntriesOfGroupsDoNotNest) {
  const format::PendingRecord inner{1, format::encode_entries({SegmentRecord{1, 2}})};
  EXPECT_TRUE(format::check_entry(inner));
  for (const format::JournalEntry& entry : std::vector<format::JournalEntry>{
           inner, format::PendingEnded{1, true}, format::GroupRecord{1, true, {1}},
           format::GroupRemoved{1}}) {
    EXPECT_FALSE(format::check_entry(format::PendingRecord{2, format::encode_entries({entry})}));
  }
}

// Power goes at every operation; before anything else the state is read, then each disk gets a new
// owner, in either order.
TEST(GroupCrash, AtAnyCutItIsTrueOfAllDisksOrOfNone) {
  std::uint64_t all = 0;
  std::uint64_t none = 0;
  std::uint64_t undecided = 0;
  for (std::uint64_t cut = 0;; ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut));
    sim::SimulatedEnv env({.seed = cut + 1});
    must(Store::create(env, "/store"));
    const auto store = must(Store::open(env, "/store"));
    for (const char* id : {"d-1", "d-2", "d-3"}) (void)add_disk(*store, id);
    std::vector<GroupPart> parts;
    for (const DiskNumber disk : {1U, 2U, 3U}) {
      parts.push_back({must(store->lease(disk)), puts(disk)});
    }
    env.set_crash_after(env.mutations() + cut);
    const bool done = update_together(*store, parts).has_value();
    const bool cut_off = env.power_is_off();
    env.crash_states(60, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      SCOPED_TRACE(what);
      const auto again = must(Store::open(*after, "/store"));
      const bool there = has_mark(*again, 1);
      EXPECT_TRUE(there || !done) << "acknowledged, and lost";
      EXPECT_EQ(has_mark(*again, 2), there);
      EXPECT_EQ(has_mark(*again, 3), there);
      undecided += pending_in(*again, 3);
      settle(*again,
             cut % 2 == 0 ? std::vector<DiskNumber>{1, 2, 3} : std::vector<DiskNumber>{3, 1, 2});
      must(forget_ended_groups(*again));
      const auto last = must(Store::open(*after, "/store"));
      for (const DiskNumber disk : {1U, 2U, 3U}) {
        EXPECT_EQ(has_mark(*last, disk), there) << "settled otherwise than it was read";
        EXPECT_EQ(pending_in(*last, disk), 0U);
      }
      // A group that no log has come to name stays until one of its disks' owners looks; nothing
      // refers to it.
      for (const auto held = last->disks(); const auto& [group, record] : held->groups)
        EXPECT_FALSE(record.committed);
      ++(there ? all : none);
      return !testing::Test::HasFailure();
    });
    if (!cut_off || testing::Test::HasFailure()) break;
  }
  EXPECT_GT(all, 20U);
  EXPECT_GT(none, 20U);
  EXPECT_GT(undecided, 20U) << "between the two";
}

// Every operation fails once, and the process goes on.
TEST(GroupFaults, AFailureLeavesAllOrNone) {
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("operation " + std::to_string(nth));
    sim::SimulatedEnv env({.seed = nth});
    must(Store::create(env, "/store"));
    const auto store = must(Store::open(env, "/store"));
    for (const char* id : {"d-1", "d-2"}) (void)add_disk(*store, id);
    bool done = false;
    {
      std::vector<GroupPart> parts;
      for (const DiskNumber disk : {1U, 2U}) {
        parts.push_back({must(store->lease(disk)), puts(disk)});
      }
      env.inject(
          {.kinds = {sim::OpKind::kWrite, sim::OpKind::kFlush}, .path = "/store", .nth = nth});
      done = update_together(*store, parts).has_value();
    }
    const bool injected = env.fault_hits() > 0;
    env.clear_faults();
    const auto again = must(Store::open(env, "/store"));
    const bool there = has_mark(*again, 1);
    EXPECT_EQ(has_mark(*again, 2), there);
    EXPECT_TRUE(there || !done);
    settle(*again, {2, 1});
    EXPECT_EQ(has_mark(*again, 1), there);
    EXPECT_EQ(has_mark(*again, 2), there);
    if (!injected || testing::Test::HasFailure()) break;
  }
}

class GroupHomes : public testing::TestWithParam<HomeKind> {};

// The process that began it loses a disk before it commits, and does not know: the next owner has
// dropped what was pending there, so it must not become true of the other disk.
TEST_P(GroupHomes, AFormerOwnerCannotCommitWhatTheNextOneDropped) {
  sim::SimulatedEnv machine;
  const format::StoreHeader header = must(Store::new_header());
  const HomeStore homes = GetParam().make(machine, header, 5);
  const auto store = must(Store::open(homes.open()));
  for (const char* id : {"d-1", "d-2"}) (void)add_disk(*store, id);
  const auto other = must(Store::open(homes.open()));
  must(other->index().refresh());
  const auto take_over = [&] {
    homes.expire(1);
    const auto lease = must(other->lease(1));
    must(lease->history()->log().refresh());
    EXPECT_EQ(lease->history()->log().state()->pending.size(), 1U);
    must(settle_groups(*other, *lease->history()));
  };
  const std::vector<GroupPart> parts = {{must(store->lease(1)), puts(10)},
                                        {must(store->lease(2)), puts(20, take_over)}};
  const Status done = update_together(*store, parts);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kBusy);
  must(other->index().refresh());
  EXPECT_FALSE(has_mark(*other, 1));
  EXPECT_FALSE(has_mark(*other, 2));
}

TEST_P(GroupHomes, TakesEffectTogether) {
  sim::SimulatedEnv machine;
  const format::StoreHeader header = must(Store::new_header());
  const HomeStore homes = GetParam().make(machine, header, 6);
  const auto store = must(Store::open(homes.open()));
  for (const char* id : {"d-1", "d-2"}) (void)add_disk(*store, id);
  must(update_together(*store,
                       {{must(store->lease(1)), puts(10)}, {must(store->lease(2)), puts(20)}}));
  const auto other = must(Store::open(homes.open()));
  EXPECT_TRUE(has_mark(*other, 1));
  EXPECT_TRUE(has_mark(*other, 2));
}

INSTANTIATE_TEST_SUITE_P(Homes, GroupHomes,
                         testing::Values(memory_home(), remote_home("Remote", {})),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace blkrewind::store
