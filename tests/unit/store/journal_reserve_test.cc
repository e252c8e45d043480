// The journal on a full file system: records that add are refused, records that free space are not.
#include "store/journal_reserve.h"

#include <gtest/gtest.h>

#include "unit/store/store_fixture.h"

namespace blkrewind::store {
namespace {

using format::kJournalBlockBytes;
using format::SegmentRecord;

class JournalReserveTest : public StoreTest, public testing::WithParamInterface<bool> {
 protected:
  // With reserved blocks, and with zeroes where a file system does not support that.
  void SetUp() override {
    env_.set_can_reserve(GetParam());
    StoreTest::SetUp();
  }
  Journal open() { return Journal(env_, Layout(kPath), store_->header()); }

  static Status put(Journal& journal, std::uint32_t id, Room room) {
    return journal.update(
        [&](const State&) -> Result<format::Transaction> {
          return format::Transaction{SegmentRecord{id, id}};
        },
        room);
  }
  // Another program uses up the space.
  void fill() { env_.set_free_bytes(kPath, 0); }
};

TEST_P(JournalReserveTest, AFullFileSystemRefusesWhatAddsAndTakesWhatFrees) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, Room::kAdds));
  fill();
  const std::uint64_t size = *journal.size_bytes();
  Status refused = put(journal, 2, Room::kAdds);
  for (int i = 0; refused && i < 100; ++i) refused = put(journal, 2, Room::kAdds);
  ASSERT_FALSE(refused) << "the slack is used up, and the reserve is not";
  EXPECT_EQ(refused.error().code, Errc::kNoSpace);
  EXPECT_FALSE(journal.in_doubt());
  EXPECT_LE(*journal.size_bytes(), size + 128 * kKiB);
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(journal, 3 + i % 2, Room::kFrees)) << i;
  }
  const auto after = must(Store::open(env_, kPath));
  EXPECT_EQ(after->state()->segments, journal.state()->segments);
  EXPECT_TRUE(after->state()->segments.contains(4));
  env_.set_free_bytes(kPath, kMiB);
  EXPECT_TRUE(put(journal, 5, Room::kAdds)) << "a refusal breaks nothing";
}

TEST_P(JournalReserveTest, AnotherProcessFindsTheReserveThere) {
  {
    Journal journal = open();
    ASSERT_TRUE(put(journal, 1, Room::kAdds));
  }
  fill();
  for (std::uint32_t i = 0; i < 60; ++i) {
    Journal journal = open();
    ASSERT_TRUE(put(journal, 2, Room::kFrees)) << i;
  }
}

TEST_P(JournalReserveTest, HalfOfItIsForARollbackWithoutUndo) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, Room::kAdds));
  fill();
  std::uint64_t taken = 0;
  while (put(journal, 2, Room::kBegins)) ASSERT_LT(++taken, 1000U);
  EXPECT_GE(taken, 64U);
  EXPECT_FALSE(put(journal, 2, Room::kAdds));
  for (std::uint64_t i = 0; i < 32; ++i) ASSERT_TRUE(put(journal, 2, Room::kFrees)) << i;
}

// Many times as many as the reserve has blocks, without freeing anything.
TEST_P(JournalReserveTest, RecordsThatFreeNothingYetDoNotUseItUpForGood) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, Room::kAdds));
  fill();
  for (std::uint32_t i = 0; i < 2000; ++i) ASSERT_TRUE(put(journal, 2, Room::kFrees)) << i;
  const auto after = must(Store::open(env_, kPath));
  EXPECT_EQ(after->state()->segments, journal.state()->segments);
}

TEST_P(JournalReserveTest, ACheckpointThatDoesNotFitLeavesEverythingAsItWas) {
  Journal journal = open();
  for (std::uint32_t i = 0; i < 50; ++i) ASSERT_TRUE(put(journal, 1, Room::kAdds));
  fill();
  const std::uint64_t used = env_.used_bytes(kPath);
  const auto done = journal.checkpoint(true);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kNoSpace);
  EXPECT_FALSE(journal.in_doubt());
  EXPECT_EQ(env_.used_bytes(kPath), used) << "the half file is gone";
  EXPECT_TRUE(put(journal, 2, Room::kFrees));
  env_.set_free_bytes(kPath, 4 * kMiB);
  EXPECT_TRUE(must(journal.checkpoint(true)));
  fill();
  EXPECT_TRUE(put(journal, 3, Room::kFrees)) << "the new file has a reserve as well";
}

TEST_P(JournalReserveTest, AJournalWithoutOneGetsItAtTheNextRecord) {
  const std::string path = Layout(kPath).journal();
  {
    Journal journal = open();
    ASSERT_TRUE(put(journal, 1, Room::kAdds));
    // As left by an older version.
    const auto file = must(env_.open(path, {.access = io::Access::kReadWrite}));
    must(file->truncate(*journal.size_bytes()));
  }
  Journal journal = open();
  ASSERT_TRUE(put(journal, 2, Room::kFrees));
  fill();
  EXPECT_TRUE(put(journal, 3, Room::kFrees));
}

// Whatever of the reserve survives, acknowledged records do.
TEST_P(JournalReserveTest, PowerCutsWhileTheRecordsAreTheRoom) {
  for (std::uint64_t cut = 0; cut < 400; cut += 7) {
    sim::SimulatedEnv env({.seed = cut + 1});
    env.set_can_reserve(GetParam());
    must(Store::create(env, kPath));
    auto store = must(Store::open(env, kPath));
    ASSERT_TRUE(put(store->journal(), 1, Room::kAdds));
    env.set_free_bytes(kPath, 0);
    for (std::uint32_t i = 0; i < 90; ++i) ASSERT_TRUE(put(store->journal(), 2, Room::kFrees));
    env.set_crash_after(env.mutations() + cut);
    std::uint32_t acknowledged = 2;
    while (acknowledged < 80 && put(store->journal(), acknowledged + 1, Room::kFrees)) {
      ++acknowledged;
    }
    env.crash_states(6, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      SCOPED_TRACE("cut " + std::to_string(cut) + "\n" + what);
      const auto again = must(Store::open(*after, kPath));
      EXPECT_GE(again->state()->segments.size(), acknowledged);
      EXPECT_TRUE(put(again->journal(), 1, Room::kFrees));
      return !testing::Test::HasFailure();
    });
    if (!env.power_is_off() || testing::Test::HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, JournalReserveTest, testing::Bool(), [](const auto& instance) {
  return instance.param ? "SetAside" : "Zeroes";
});

}  // namespace
}  // namespace blkrewind::store
