// Power cuts and faults of the home in memory. What it promises as a home: home_contract_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/results.h"
#include "unit/store/homes.h"

namespace blkrewind::store {
namespace {

using io::LockMode;
using test::failed;
using test::ok;

constexpr format::DiskNumber kMemoryDisk = 7;
constexpr std::uint64_t kSegmentBytes = 64 * 1024;

class MemoryHomeTest : public testing::Test {
 protected:
  MemoryHomeTest() { require(home_.create_log(kMemoryDisk, {})); }

  [[nodiscard]] LogClient client() {
    LogClient made(std::make_unique<sim::MemoryHome>(pool_), kMemoryDisk);
    require(made.read());
    return made;
  }

  sim::SimulatedEnv machine_;
  std::shared_ptr<sim::MemoryPool> pool_ =
      std::make_shared<sim::MemoryPool>(machine_, format::StoreHeader{});
  sim::MemoryHome home_{pool_};
};

// A segment with a flushed half and an unflushed one.
void write_segment(sim::MemoryHome& home, format::SegmentId id) {
  const auto file = value_of(home.create_segment(kMemoryDisk, id));
  require(home.sync_segments(kMemoryDisk));
  const auto queue = value_of(home.env().make_queue({.depth = 1}));
  std::vector<std::byte> bytes(kSegmentBytes, std::byte{1});
  require(io::write_now(*queue, *file, {0, kSegmentBytes / 2}, bytes.data()));
  require(io::flush_now(*queue, *file));
  require(io::write_now(*queue, *file, {kSegmentBytes / 2, kSegmentBytes / 2}, bytes.data()));
}

TEST(MemoryHome, APowerCutOfOneProcessTakesItsLeasesAndMayTakeItsUnflushedBytes) {
  int lost = 0;
  constexpr int kRuns = 40;
  for (int seed = 1; seed <= kRuns; ++seed) {
    sim::SimulatedEnv machine;
    const auto pool = std::make_shared<sim::MemoryPool>(machine, format::StoreHeader{});
    sim::MemoryHome dying(pool);
    sim::MemoryHome other(pool);
    require(dying.create_log(kMemoryDisk, {}));
    const auto lease = value_of(dying.take_lease(kMemoryDisk, LockMode::kExclusive));
    ASSERT_NE(lease, nullptr);
    write_segment(dying, 1);
    write_segment(other, 2);
    const auto unnamed = value_of(dying.create_segment(kMemoryDisk, 3));

    dying.cut_power(static_cast<std::uint64_t>(seed));
    EXPECT_FALSE(value_of(other.has_owner(kMemoryDisk)));
    EXPECT_NE(value_of(other.take_lease(kMemoryDisk, LockMode::kExclusive)), nullptr);
    EXPECT_TRUE(failed(dying.read_header(), Errc::kIo));
    EXPECT_TRUE(failed(dying.take_lease(kMemoryDisk, LockMode::kExclusive), Errc::kIo));
    EXPECT_TRUE(failed(dying.open_segment(kMemoryDisk, 1, io::Access::kReadOnly), Errc::kIo));

    const auto whole = [](const std::vector<std::byte>& bytes, std::size_t length) {
      return bytes.size() >= length && std::all_of(bytes.begin(), bytes.begin() + length,
                                                   [](std::byte b) { return b == std::byte{1}; });
    };
    const auto mine = machine.contents(dying.segment_name(kMemoryDisk, 1));
    EXPECT_TRUE(whole(mine, kSegmentBytes / 2)) << "flushed bytes are lost";
    EXPECT_EQ(mine, machine.durable_contents(dying.segment_name(kMemoryDisk, 1)));
    EXPECT_TRUE(whole(machine.contents(other.segment_name(kMemoryDisk, 2)), kSegmentBytes))
        << "bytes of another process are lost";
    lost += whole(mine, kSegmentBytes) ? 0 : 1;
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, kRuns);
}

TEST_F(MemoryHomeTest, AnOpenLogOfADeadProcessDoesNothing) {
  auto home = std::make_unique<sim::MemoryHome>(pool_);
  sim::MemoryHome& dying = *home;
  LogClient former(std::move(home), kMemoryDisk);
  require(former.read());
  dying.cut_power(1);
  EXPECT_TRUE(failed(former.read(), Errc::kIo));
  const auto done = former.append(0, 1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().why, NotAppended::kRefused);
  EXPECT_EQ(client().story(), Story());
}

TEST_F(MemoryHomeTest, APowerCutOfAllLeavesEveryRecordAndNoLease) {
  LogClient owner = client();
  const auto lease = value_of(owner.home().take_lease(kMemoryDisk, LockMode::kExclusive));
  const std::uint64_t epoch = lease->epoch(owner.head());
  ASSERT_TRUE(owner.append(epoch, 1));
  const auto after = machine_.crash(1);
  sim::MemoryHome again(std::make_shared<sim::MemoryPool>(*pool_, *after));
  EXPECT_FALSE(value_of(again.has_owner(kMemoryDisk)));
  EXPECT_TRUE(value_of(home_.has_owner(kMemoryDisk)));
  const auto taken = value_of(again.take_lease(kMemoryDisk, LockMode::kExclusive));
  LogClient reader(
      std::make_unique<sim::MemoryHome>(std::make_shared<sim::MemoryPool>(*pool_, *after)),
      kMemoryDisk);
  ASSERT_TRUE(ok(reader.read()));
  EXPECT_EQ(reader.story(), owner.story());
  EXPECT_GT(taken->epoch(reader.head()), epoch);
}

TEST_F(MemoryHomeTest, AFaultOfTheMachineHitsAnAppendBeforeItIsWritten) {
  LogClient owner = client();
  machine_.inject({.kinds = {sim::OpKind::kSyncDirectory}, .error = ENOSPC});
  const auto done = owner.append(0, 1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().why, NotAppended::kRefused);
  EXPECT_EQ(done.error().error.code, Errc::kNoSpace);
  EXPECT_EQ(client().story(), Story());
  ASSERT_TRUE(owner.append(0, 2));
  machine_.set_crash_after(machine_.mutations());
  EXPECT_FALSE(owner.append(0, 3));
  EXPECT_TRUE(failed(owner.read(), Errc::kIo));
}

}  // namespace
}  // namespace blkrewind::store
