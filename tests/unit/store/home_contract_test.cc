// What every home of a store promises (engine/store/home/home.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <thread>

#include "support/results.h"
#include "unit/store/homes.h"

namespace blkrewind::store {
namespace {

using io::LockMode;
using test::failed;
using test::ok;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr format::DiskNumber kContractDisk = 7;
constexpr format::DiskNumber kOtherDisk = 8;

// One line for each home.
std::vector<HomeKind> contract_homes() {
  return {
      local_home(),
      memory_home(),
      remote_home("Remote", {}),
      remote_home("RemoteUnanswered", {.changes = {.unanswered = 100}, .settle_lost = 5}),
  };
}

testing::AssertionResult appended(const Appended& done) {
  if (done) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not appended, " << static_cast<int>(done.error().why)
                                     << ": " << done.error().error.to_string();
}

testing::AssertionResult not_written(const Appended& done, NotAppended why) {
  if (done) return testing::AssertionFailure() << "appended";
  if (done.error().why == why) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "otherwise: " << appended(done).message();
}

std::vector<std::uint32_t> ids_of(const LogClient& client) {
  std::vector<std::uint32_t> ids;
  for (const Told& told : client.story()) ids.push_back(told.id);
  return ids;
}

class HomeContract : public testing::TestWithParam<HomeKind> {
 protected:
  void SetUp() override {
    header_.uuid.fill(std::byte{5});
    header_.secret.fill(std::byte{9});
    store_ = GetParam().make(machine_, header_, 1);
    home_ = store_.open();
    require(home_->create_log(kContractDisk, key()));
  }

  [[nodiscard]] LogKey key() const { return {header_.uuid, header_.secret}; }
  [[nodiscard]] LogClient client(format::DiskNumber disk = kContractDisk) {
    return {store_.open(), disk};
  }
  // One that has read all.
  [[nodiscard]] LogClient reader(format::DiskNumber disk = kContractDisk) {
    LogClient made = client(disk);
    require(made.read());
    return made;
  }
  [[nodiscard]] static std::unique_ptr<HomeLease> lease(LogClient& of,
                                                        LockMode mode = LockMode::kExclusive) {
    return value_of(of.home().take_lease(kContractDisk, mode));
  }
  [[nodiscard]] std::vector<format::DiskNumber> disks() {
    std::vector<format::DiskNumber> disks;
    require(home_->for_each_disk([&](format::DiskNumber disk) -> Status {
      disks.push_back(disk);
      return {};
    }));
    return disks;
  }
  [[nodiscard]] std::vector<format::SegmentId> segments(format::DiskNumber disk = kContractDisk) {
    std::vector<format::SegmentId> segments;
    require(home_->for_each_segment(disk, [&](format::SegmentId id) -> Status {
      segments.push_back(id);
      return {};
    }));
    return segments;
  }

  sim::SimulatedEnv machine_;
  format::StoreHeader header_;
  HomeStore store_;
  std::unique_ptr<Home> home_;
};

TEST_P(HomeContract, EveryProcessReadsTheHeader) {
  const auto header = home_->read_header();
  ASSERT_TRUE(ok(header));
  EXPECT_EQ(header->uuid, header_.uuid);
  EXPECT_EQ(header->secret, header_.secret);
}

TEST_P(HomeContract, AnEmptyLogHasNoRecordsAndAPlaceToAppendTo) {
  LogClient one = reader();
  EXPECT_THAT(ids_of(one), IsEmpty());
  EXPECT_NE(one.head().generation, 0U);
  EXPECT_NE(one.head().next_sequence, 0U);
  EXPECT_EQ(one.head().records, 0U);
}

TEST_P(HomeContract, AnAppendIsReadByEveryProcessAndReturnsThePlaceBehindIt) {
  LogClient one = reader();
  const auto owned = lease(one);
  const std::uint64_t epoch = owned->epoch(one.head());
  ASSERT_TRUE(appended(one.append(epoch, 1)));
  ASSERT_TRUE(appended(one.append(epoch, 2)));
  LogClient other = reader();
  EXPECT_THAT(other.story(), ElementsAre(Told{1, epoch}, Told{2, epoch}));
  EXPECT_EQ(other.head(), one.head());
  EXPECT_EQ(one.head().epoch, epoch);
  EXPECT_EQ(one.head().records, 2U);
  const auto durable = other.log().make_durable(other.head(), other.head().epoch);
  ASSERT_TRUE(appended(durable));
  EXPECT_EQ(*durable, one.head());
  // Neither may a former owner write to its device, or punch.
  if (!store_.expire) return;
  store_.expire(kContractDisk);
  LogClient next = reader();
  const auto taken = lease(next);
  ASSERT_TRUE(ok(one.read()));
  const auto refused = one.log().make_durable(one.head(), epoch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why, NotAppended::kFenced);
}

TEST_P(HomeContract, AReaderBehindCatchesUpFromWhereItStopped) {
  LogClient one = reader();
  const auto owned = lease(one);
  ASSERT_TRUE(appended(one.append(owned->epoch(one.head()), 1)));
  LogClient other = reader();
  const int restarts = other.restarts();
  for (std::uint32_t id = 2; id <= 6; ++id) {
    ASSERT_TRUE(appended(one.append(one.head().epoch, id)));
  }
  EXPECT_THAT(ids_of(other), ElementsAre(1));
  ASSERT_TRUE(ok(other.read()));
  EXPECT_THAT(ids_of(other), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(other.restarts(), restarts);
  EXPECT_EQ(other.head(), one.head());
  ASSERT_TRUE(ok(other.read()));
  EXPECT_EQ(ids_of(other).size(), 6U);
}

TEST_P(HomeContract, ARecordOfManyBlocksIsReadAsItWasAppended) {
  LogClient one = reader();
  const auto owned = lease(one);
  const std::uint64_t epoch = owned->epoch(one.head());
  const std::vector<Told> many(3000, Told{4, epoch});
  const auto record = one.record(one.head().next_sequence, epoch, many);
  ASSERT_GT(record.size(), 2 * format::kLogBlockBytes);
  const auto done = one.log().append(one.head(), epoch, record, {});
  ASSERT_TRUE(appended(done));
  EXPECT_EQ(done->end_bytes, one.head().end_bytes + record.size());
  ASSERT_TRUE(ok(one.read()));
  EXPECT_EQ(one.story(), many);
  EXPECT_EQ(reader().story(), many);
}

// The index has no owner: its writers exclude each other by the head alone.
TEST_P(HomeContract, AnAppendBehindAnotherHeadIsStaleAndWritesNothing) {
  LogClient one = reader(format::kIndexLog);
  LogClient other = reader(format::kIndexLog);
  ASSERT_TRUE(appended(one.append(0, 1)));
  EXPECT_TRUE(not_written(other.append(0, 2), NotAppended::kStale));
  EXPECT_TRUE(not_written(other.append(0, 2), NotAppended::kStale));
  EXPECT_THAT(ids_of(reader(format::kIndexLog)), ElementsAre(1));
  ASSERT_TRUE(ok(other.read()));
  ASSERT_TRUE(appended(other.append(0, 2)));
  EXPECT_TRUE(not_written(one.append(0, 3), NotAppended::kStale));
  EXPECT_THAT(ids_of(reader(format::kIndexLog)), ElementsAre(1, 2));
}

TEST_P(HomeContract, AppendsOfSeveralThreadsAllHappenOnce) {
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kAppends = 25;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] {
      LogClient one = reader(format::kIndexLog);
      for (std::uint32_t id = i * kAppends; id < (i + 1) * kAppends;) {
        const Appended done = one.append(0, id);
        EXPECT_TRUE(done || not_written(done, NotAppended::kStale));
        if (done) ++id;
        EXPECT_TRUE(ok(one.read()));
        if (HasFailure()) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::uint32_t> all = ids_of(reader(format::kIndexLog));
  EXPECT_EQ(all.size(), kThreads * kAppends);
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    const auto mine = [&](std::uint32_t id) { return id / kAppends == i; };
    std::vector<std::uint32_t> order;
    std::ranges::copy_if(all, std::back_inserter(order), mine);
    std::vector<std::uint32_t> expected(kAppends);
    std::iota(expected.begin(), expected.end(), i * kAppends);
    EXPECT_EQ(order, expected);
  }
}

TEST_P(HomeContract, LogsAreIndependent) {
  ASSERT_TRUE(ok(home_->create_log(kOtherDisk, key())));
  LogClient one = reader(kContractDisk);
  LogClient other = reader(kOtherDisk);
  const auto owned = lease(one);
  ASSERT_TRUE(appended(one.append(owned->epoch(one.head()), 1)));
  const auto other_owned = value_of(other.home().take_lease(kOtherDisk, LockMode::kExclusive));
  ASSERT_NE(other_owned, nullptr);
  ASSERT_TRUE(appended(other.append(other_owned->epoch(other.head()), 2)));
  EXPECT_THAT(ids_of(reader(kContractDisk)), ElementsAre(1));
  EXPECT_THAT(ids_of(reader(kOtherDisk)), ElementsAre(2));
}

TEST_P(HomeContract, AnOldEpochIsFencedWhateverItsOwnerHasRead) {
  LogClient former = reader();
  auto lost = lease(former);
  const std::uint64_t old = lost->epoch(former.head());
  ASSERT_TRUE(appended(former.append(old, 1)));
  lost.reset();

  LogClient owner = client();
  const auto owned = lease(owner);
  ASSERT_NE(owned, nullptr);
  ASSERT_TRUE(ok(owner.read()));
  const std::uint64_t epoch = owned->epoch(owner.head());
  EXPECT_GT(epoch, old);
  ASSERT_TRUE(appended(owner.append(epoch, 2)));

  EXPECT_FALSE(former.append(old, 3).has_value());
  ASSERT_TRUE(ok(former.read()));
  EXPECT_EQ(former.head(), owner.head());
  EXPECT_TRUE(not_written(former.append(old, 3), NotAppended::kFenced));
  EXPECT_TRUE(not_written(former.replace(old), NotAppended::kFenced));
  // Nor may it write to its device, or punch.
  EXPECT_TRUE(not_written(former.log().make_durable(former.head(), old), NotAppended::kFenced));
  EXPECT_THAT(ids_of(reader()), ElementsAre(1, 2));
  ASSERT_TRUE(appended(owner.append(epoch, 4)));

  // Nor does a checkpoint of the owner let it in again.
  ASSERT_TRUE(appended(owner.replace(epoch)));
  ASSERT_TRUE(ok(former.read()));
  EXPECT_TRUE(not_written(former.append(old, 3), NotAppended::kFenced));
  EXPECT_THAT(ids_of(reader()), ElementsAre(1, 2, 4));
}

// A note about a disk is appended while another process owns it: the head alone decides.
TEST_P(HomeContract, AProcessThatOwnsNothingAppendsUnderTheEpochThatItReads) {
  LogClient owner = reader();
  auto owned = lease(owner);
  std::uint64_t epoch = owned->epoch(owner.head());
  LogClient other = reader();
  ASSERT_TRUE(appended(other.append(other.head().epoch, 1)));
  EXPECT_TRUE(not_written(owner.append(epoch, 2), NotAppended::kStale));
  ASSERT_TRUE(ok(owner.read()));
  ASSERT_TRUE(appended(owner.append(epoch, 2)));

  // Nor is it kept away by an owner that came and went without a record.
  owned.reset();
  LogClient next = reader();
  owned = lease(next);
  owned.reset();
  ASSERT_TRUE(ok(other.read()));
  ASSERT_TRUE(appended(other.append(other.head().epoch, 3)));

  // Under an epoch that it read too early it is, until it reads again.
  ASSERT_TRUE(ok(next.read()));
  owned = lease(next);
  epoch = owned->epoch(next.head());
  ASSERT_TRUE(appended(next.append(epoch, 4)));
  EXPECT_FALSE(other.append(other.head().epoch, 5).has_value());
  ASSERT_TRUE(ok(other.read()));
  EXPECT_EQ(other.head().epoch, epoch);
  ASSERT_TRUE(appended(other.append(other.head().epoch, 5)));
  EXPECT_THAT(ids_of(reader()), ElementsAre(1, 2, 3, 4, 5));
}

TEST_P(HomeContract, AnOwnerExcludesOthers) {
  LogClient one = client();
  LogClient other = client();
  auto owned = lease(one);
  ASSERT_NE(owned, nullptr);
  EXPECT_TRUE(value_of(home_->has_owner(kContractDisk)));
  EXPECT_EQ(lease(other), nullptr);
  EXPECT_EQ(lease(other, LockMode::kShared), nullptr);
  EXPECT_EQ(lease(one), nullptr);
  EXPECT_FALSE(value_of(home_->has_owner(kOtherDisk)));
  EXPECT_NE(value_of(other.home().take_lease(kOtherDisk, LockMode::kExclusive)), nullptr);
  owned.reset();
  EXPECT_FALSE(value_of(home_->has_owner(kContractDisk)));
  EXPECT_NE(lease(other), nullptr);
}

TEST_P(HomeContract, ASharedLeaseKeepsOwnersAway) {
  LogClient one = client();
  LogClient other = client();
  auto first = lease(one, LockMode::kShared);
  auto second = lease(other, LockMode::kShared);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_FALSE(value_of(home_->has_owner(kContractDisk)));
  EXPECT_EQ(lease(one), nullptr);
  first.reset();
  EXPECT_EQ(lease(one), nullptr);
  second.reset();
  EXPECT_NE(lease(one), nullptr);
}

// A process that only reads may look at a disk between two steps of its owner.
TEST_P(HomeContract, AReaderThatTakesASharedLeaseDoesNotEndTheEpoch) {
  LogClient owner = reader();
  auto owned = lease(owner);
  const std::uint64_t epoch = owned->epoch(owner.head());
  ASSERT_TRUE(appended(owner.append(epoch, 1)));
  owned.reset();
  LogClient other = reader();
  EXPECT_NE(lease(other, LockMode::kShared), nullptr);
  owned = lease(owner);
  ASSERT_TRUE(appended(owner.append(owned->epoch(owner.head()), 2)));
  EXPECT_THAT(ids_of(reader()), ElementsAre(1, 2));
}

TEST_P(HomeContract, AReplacementRestartsReadersAndKeepsTheNumbers) {
  LogClient owner = reader();
  const auto owned = lease(owner);
  const std::uint64_t epoch = owned->epoch(owner.head());
  for (std::uint32_t id = 1; id <= 5; ++id) ASSERT_TRUE(appended(owner.append(epoch, id)));
  LogClient other = reader();
  const Head before = other.head();
  const int restarts = other.restarts();

  ASSERT_TRUE(appended(owner.replace(epoch, 2)));  // three records
  EXPECT_GT(owner.head().generation, before.generation);
  EXPECT_EQ(owner.head().next_sequence, before.next_sequence + 3);
  EXPECT_EQ(owner.head().records, 3U);
  EXPECT_TRUE(not_written(other.append(epoch, 9), NotAppended::kStale));
  EXPECT_TRUE(not_written(other.replace(epoch), NotAppended::kStale));
  ASSERT_TRUE(ok(other.read()));
  EXPECT_EQ(other.restarts(), restarts + 1);
  EXPECT_EQ(other.story(), owner.story());
  EXPECT_EQ(other.head(), owner.head());

  ASSERT_TRUE(appended(owner.append(epoch, 6)));
  ASSERT_TRUE(ok(other.read()));
  EXPECT_EQ(other.restarts(), restarts + 1);
  EXPECT_THAT(ids_of(other), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(ids_of(reader()), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_P(HomeContract, AReplacementIsAllOrNothing) {
  LogClient owner = reader();
  const auto owned = lease(owner);
  const std::uint64_t epoch = owned->epoch(owner.head());
  ASSERT_TRUE(appended(owner.append(epoch, 1)));
  LogClient other = reader();
  const int restarts = other.restarts();
  const Told told{1, epoch};
  const auto done =
      owner.log().replace(owner.head(), epoch, {}, [&](const HomeLog::Sink& sink) -> Status {
        BLKREWIND_TRY(sink(owner.record(owner.head().next_sequence, epoch, {&told, 1})));
        return fail(Errc::kCancelled, "the second record cannot be made");
      });
  ASSERT_TRUE(not_written(done, NotAppended::kRefused));
  EXPECT_EQ(done.error().error.code, Errc::kCancelled);
  ASSERT_TRUE(ok(other.read()));
  EXPECT_EQ(other.restarts(), restarts);
  EXPECT_EQ(other.head(), owner.head());
  ASSERT_TRUE(appended(owner.append(epoch, 2)));
  EXPECT_THAT(ids_of(reader()), ElementsAre(1, 2));
}

TEST_P(HomeContract, ALogIsCreatedOnce) {
  EXPECT_TRUE(failed(home_->create_log(kContractDisk, key()), Errc::kAlreadyExists));
  EXPECT_TRUE(failed(home_->open_log(kOtherDisk, key()), Errc::kNotFound));
  ASSERT_TRUE(ok(home_->create_log(kOtherDisk, key())));
  EXPECT_THAT(disks(), UnorderedElementsAre(kContractDisk, kOtherDisk));
}

TEST_P(HomeContract, ARemovedDiskLeavesNothing) {
  ASSERT_TRUE(ok(home_->create_log(kOtherDisk, key())));
  ASSERT_TRUE(ok(home_->create_segment(kOtherDisk, 1)));
  ASSERT_TRUE(ok(home_->create_segment(kOtherDisk, 2)));
  ASSERT_TRUE(ok(home_->create_segment(kContractDisk, 1)));
  ASSERT_TRUE(ok(home_->remove_disk(kOtherDisk)));
  EXPECT_THAT(disks(), ElementsAre(kContractDisk));
  EXPECT_TRUE(failed(home_->open_log(kOtherDisk, key()), Errc::kNotFound));
  EXPECT_THAT(segments(kOtherDisk), IsEmpty());
  EXPECT_THAT(segments(kContractDisk), ElementsAre(1));
  EXPECT_TRUE(ok(home_->remove_disk(kOtherDisk)));
}

TEST_P(HomeContract, ASegmentIsCreatedOnceAndSharedByAllProcesses) {
  const auto written = home_->create_segment(kContractDisk, 3);
  ASSERT_TRUE(ok(written));
  const auto other = store_.open();
  EXPECT_TRUE(failed(other->create_segment(kContractDisk, 3), Errc::kAlreadyExists));

  const auto queue =
      value_of(home_->env().make_queue({.depth = 2, .slots = 1, .slot_bytes = 8192}));
  std::byte* data = queue->slots()[0].data;
  std::fill_n(data, 8192, std::byte{0x5a});
  ASSERT_TRUE(ok(io::write_now(*queue, **written, {0, 8192}, data)));
  ASSERT_TRUE(ok(io::flush_now(*queue, **written)));
  ASSERT_TRUE(ok(home_->sync_segments(kContractDisk)));
  EXPECT_GE(value_of(other->segment_bytes(kContractDisk, 3)), 8192U);
  EXPECT_EQ((*written)->path(), other->segment_name(kContractDisk, 3));

  const auto read = other->open_segment(kContractDisk, 3, io::Access::kReadOnly);
  ASSERT_TRUE(ok(read));
  const auto other_queue =
      value_of(other->env().make_queue({.depth = 2, .slots = 1, .slot_bytes = 8192}));
  std::byte* there = other_queue->slots()[0].data;
  ASSERT_TRUE(ok(io::read_now(*other_queue, **read, {0, 8192}, there)));
  EXPECT_TRUE(std::all_of(there, there + 8192, [](std::byte b) { return b == std::byte{0x5a}; }));
}

TEST_P(HomeContract, SegmentsAreListedAndRemovedByNumber) {
  ASSERT_TRUE(ok(home_->create_log(kOtherDisk, key())));
  for (const format::SegmentId id : {1U, 2U, 4000000000U}) {
    ASSERT_TRUE(ok(home_->create_segment(kContractDisk, id)));
  }
  ASSERT_TRUE(ok(home_->create_segment(kOtherDisk, 2)));
  EXPECT_THAT(segments(), UnorderedElementsAre(1, 2, 4000000000U));
  ASSERT_TRUE(ok(home_->remove_segment(kContractDisk, 2)));
  EXPECT_THAT(segments(), UnorderedElementsAre(1, 4000000000U));
  EXPECT_THAT(segments(kOtherDisk), ElementsAre(2));
  EXPECT_TRUE(
      failed(home_->open_segment(kContractDisk, 2, io::Access::kReadOnly), Errc::kNotFound));
  EXPECT_TRUE(failed(home_->segment_bytes(kContractDisk, 2), Errc::kNotFound));
  EXPECT_TRUE(failed(home_->remove_segment(kContractDisk, 2), Errc::kNotFound));
  // The error of the visitor ends the list.
  EXPECT_TRUE(failed(
      home_->for_each_segment(kContractDisk,
                              [](format::SegmentId) { return Status(fail(Errc::kCancelled, "")); }),
      Errc::kCancelled));
}

INSTANTIATE_TEST_SUITE_P(Homes, HomeContract, testing::ValuesIn(contract_homes()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace blkrewind::store
