// A log on a full file system: records that add are refused, records that free space are not.
#include "store/home/log_reserve.h"

#include <gtest/gtest.h>

#include "unit/store/log_fixture.h"

namespace blkrewind::store {
namespace {

using format::kLogBlockBytes;
using format::SegmentRecord;

class LogReserveTest : public LogFixture, public testing::WithParamInterface<bool> {
 protected:
  // With reserved blocks, and with zeroes where a file system does not support that.
  void SetUp() override {
    env_.set_can_reserve(GetParam());
    LogFixture::SetUp();
    Log log = open();
    ASSERT_TRUE(fill_with_entries(log));
  }
  // As many as it takes for the largest reserve.
  static Status fill_with_entries(Log& log) {
    return log.update([](const State&) -> Result<format::Transaction> {
      format::Transaction entries;
      for (std::uint32_t id = 1001; id <= 1060; ++id) entries.emplace_back(SegmentRecord{id, 1});
      return entries;
    });
  }
  static Status put(Log& log, std::uint32_t id, Room room) {
    return log.update(
        [&](const State&) -> Result<format::Transaction> {
          return format::Transaction{SegmentRecord{id, id}};
        },
        room);
  }
  // Another program uses up the space.
  void fill() { env_.set_free_bytes(kPath, 0); }
};

TEST_P(LogReserveTest, AFullFileSystemRefusesWhatAddsAndTakesWhatFrees) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, Room::kAdds));
  fill();
  const std::uint64_t size = *log.size_bytes();
  Status refused = put(log, 2, Room::kAdds);
  for (int i = 0; refused && i < 100; ++i) refused = put(log, 2, Room::kAdds);
  ASSERT_FALSE(refused) << "the slack is used up, and the reserve is not";
  EXPECT_EQ(refused.error().code, Errc::kNoSpace);
  EXPECT_FALSE(log.in_doubt());
  EXPECT_LE(*log.size_bytes(), size + 128 * kKiB);
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(log, 3 + i % 2, Room::kFrees)) << i;
  }
  LogProcess after(env_);
  must(after.log.refresh());
  EXPECT_EQ(after.log.state()->segments, log.state()->segments);
  EXPECT_TRUE(after.log.state()->segments.contains(4));
  env_.set_free_bytes(kPath, kMiB);
  EXPECT_TRUE(put(log, 5, Room::kAdds)) << "a refusal breaks nothing";
}

TEST_P(LogReserveTest, AnotherProcessFindsTheReserveThere) {
  {
    Log log = open();
    ASSERT_TRUE(put(log, 1, Room::kAdds));
  }
  fill();
  for (std::uint32_t i = 0; i < 60; ++i) {
    Log log = open();
    ASSERT_TRUE(put(log, 2, Room::kFrees)) << i;
  }
}

TEST_P(LogReserveTest, HalfOfItIsForARollbackWithoutUndo) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, Room::kAdds));
  fill();
  std::uint64_t taken = 0;
  while (put(log, 2, Room::kBegins)) ASSERT_LT(++taken, 1000U);
  EXPECT_GE(taken, 64U);
  EXPECT_FALSE(put(log, 2, Room::kAdds));
  for (std::uint64_t i = 0; i < 32; ++i) ASSERT_TRUE(put(log, 2, Room::kFrees)) << i;
}

// Many times as many as the reserve has blocks, without freeing anything.
TEST_P(LogReserveTest, RecordsThatFreeNothingYetDoNotUseItUpForGood) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, Room::kAdds));
  fill();
  for (std::uint32_t i = 0; i < 2000; ++i) ASSERT_TRUE(put(log, 2, Room::kFrees)) << i;
  LogProcess after(env_);
  must(after.log.refresh());
  EXPECT_EQ(after.log.state()->segments, log.state()->segments);
}

TEST_P(LogReserveTest, ACheckpointThatDoesNotFitLeavesEverythingAsItWas) {
  Log log = open();
  for (std::uint32_t i = 0; i < 50; ++i) ASSERT_TRUE(put(log, 1, Room::kAdds));
  fill();
  const std::uint64_t used = env_.used_bytes(kPath);
  const auto done = log.checkpoint(true);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kNoSpace);
  EXPECT_FALSE(log.in_doubt());
  EXPECT_EQ(env_.used_bytes(kPath), used) << "the half file is gone";
  EXPECT_TRUE(put(log, 2, Room::kFrees));
  env_.set_free_bytes(kPath, 4 * kMiB);
  EXPECT_TRUE(must(log.checkpoint(true)));
  fill();
  EXPECT_TRUE(put(log, 3, Room::kFrees)) << "the new file has a reserve as well";
}

TEST_P(LogReserveTest, ALogWithoutOneGetsItAtTheNextRecord) {
  const std::string path = this->path();
  {
    Log log = open();
    ASSERT_TRUE(put(log, 1, Room::kAdds));
    // As left by an older version.
    const auto file = must(env_.open(path, {.access = io::Access::kReadWrite}));
    must(file->truncate(*log.size_bytes()));
  }
  Log log = open();
  ASSERT_TRUE(put(log, 2, Room::kFrees));
  fill();
  EXPECT_TRUE(put(log, 3, Room::kFrees));
}

// Whatever of the reserve survives, acknowledged records do.
TEST_P(LogReserveTest, PowerCutsWhileTheRecordsAreTheRoom) {
  for (std::uint64_t cut = 0; cut < 400; cut += 7) {
    sim::SimulatedEnv env({.seed = cut + 1});
    env.set_can_reserve(GetParam());
    LogProcess::create(env);
    LogProcess before(env);
    ASSERT_TRUE(fill_with_entries(before.log));
    ASSERT_TRUE(put(before.log, 1, Room::kAdds));
    env.set_free_bytes(kPath, 0);
    for (std::uint32_t i = 0; i < 90; ++i) ASSERT_TRUE(put(before.log, 2, Room::kFrees));
    env.set_crash_after(env.mutations() + cut);
    std::uint32_t acknowledged = 2;
    while (acknowledged < 80 && put(before.log, acknowledged + 1, Room::kFrees)) {
      ++acknowledged;
    }
    env.crash_states(6, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      SCOPED_TRACE("cut " + std::to_string(cut) + "\n" + what);
      LogProcess again(*after);
      must(again.log.refresh());
      EXPECT_GE(again.log.state()->segments.size(), acknowledged + 60);
      EXPECT_TRUE(put(again.log, 1, Room::kFrees));
      return !testing::Test::HasFailure();
    });
    if (!env.power_is_off() || testing::Test::HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, LogReserveTest, testing::Bool(), [](const auto& instance) {
  return instance.param ? "SetAside" : "Zeroes";
});

}  // namespace
}  // namespace blkrewind::store
