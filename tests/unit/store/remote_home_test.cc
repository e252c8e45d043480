// What the simulated remote home does with what is lost or late, case by case.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <optional>

#include "support/results.h"
#include "unit/store/homes.h"

namespace blkrewind::store {
namespace {

using io::LockMode;
using sim::Delivery;
using test::ok;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr format::DiskNumber kRemoteDisk = 7;
constexpr std::uint64_t kWriteBytes = 4096;

// Why it was not appended; empty if it was.
std::optional<NotAppended> refusal(const Appended& done) {
  return done ? std::nullopt : std::optional(done.error().why);
}

class RemoteHomeTest : public testing::Test {
 protected:
  RemoteHomeTest() { require(home_.create_log(kRemoteDisk, {})); }

  [[nodiscard]] LogClient client(format::DiskNumber log = kRemoteDisk) {
    LogClient made(std::make_unique<sim::RemoteHome>(network_), log);
    require(made.read());
    return made;
  }
  [[nodiscard]] static std::unique_ptr<HomeLease> lease(LogClient& of) {
    return value_of(of.home().take_lease(kRemoteDisk, LockMode::kExclusive));
  }
  // All that is there.
  [[nodiscard]] std::vector<std::uint32_t> ids(format::DiskNumber log = kRemoteDisk) {
    std::vector<std::uint32_t> ids;
    const LogClient reader = client(log);
    for (const Told& told : reader.story()) ids.push_back(told.id);
    return ids;
  }
  [[nodiscard]] std::string segment() { return home_.segment_name(kRemoteDisk, 1); }
  // The errno of a write of `value`s to the segment.
  [[nodiscard]] int write(io::File& file, std::uint8_t value) {
    const auto queue = value_of(home_.env().make_queue({.depth = 4}));
    std::vector<std::byte> bytes(kWriteBytes, std::byte{value});
    const Status written = io::write_now(*queue, file, {0, kWriteBytes}, bytes.data());
    return written ? 0 : written.error().sys_errno;
  }

  sim::SimulatedEnv machine_;
  std::shared_ptr<sim::MemoryPool> pool_ =
      std::make_shared<sim::MemoryPool>(machine_, format::StoreHeader{});
  std::shared_ptr<sim::RemoteNetwork> network_ =
      std::make_shared<sim::RemoteNetwork>(pool_, 1, sim::NetworkChances{.late_arrives = 0});
  sim::RemoteHome home_{network_};
};

TEST_F(RemoteHomeTest, AnAppendThatTimedOutAndHappenedSucceeds) {
  LogClient one = client(format::kIndexLog);
  network_->deliver_changes({Delivery::kUnanswered});
  ASSERT_TRUE(one.append(0, 1));
  ASSERT_TRUE(one.append(0, 2));
  EXPECT_THAT(ids(format::kIndexLog), ElementsAre(1, 2));
}

TEST_F(RemoteHomeTest, AnAppendThatTimedOutAndWasLostIsRefused) {
  LogClient one = client(format::kIndexLog);
  network_->deliver_changes({Delivery::kLost});
  const auto done = one.append(0, 1);
  EXPECT_EQ(refusal(done), NotAppended::kRefused);
  EXPECT_EQ(done.error().error.sys_errno, ETIMEDOUT);
  ASSERT_TRUE(one.append(0, 2));
  EXPECT_THAT(ids(format::kIndexLog), ElementsAre(2));
}

// Nothing else would keep it away: neither its epoch is over nor has its head moved.
TEST_F(RemoteHomeTest, AnAppendThatWasRefusedDoesNotHappenLater) {
  LogClient one = client(format::kIndexLog);
  network_->deliver_changes({Delivery::kLate});
  EXPECT_EQ(refusal(one.append(0, 1)), NotAppended::kRefused);
  ASSERT_EQ(network_->late(), 1U);
  network_->deliver_late();
  EXPECT_THAT(ids(format::kIndexLog), IsEmpty());

  network_->deliver_changes({Delivery::kLate});
  EXPECT_EQ(refusal(one.replace(0)), NotAppended::kRefused);
  network_->deliver_late();
  const Head head = one.head();
  ASSERT_TRUE(ok(one.read()));
  EXPECT_EQ(one.head(), head);
}

TEST_F(RemoteHomeTest, ATimeOutOfARefusedAppendTellsTheSameRefusal) {
  LogClient one = client(format::kIndexLog);
  LogClient other = client(format::kIndexLog);
  ASSERT_TRUE(other.append(0, 1));
  network_->deliver_changes({Delivery::kUnanswered});
  EXPECT_EQ(refusal(one.append(0, 2)), NotAppended::kStale);

  LogClient former = client();
  const auto lost = lease(former);
  pool_->expire(kRemoteDisk);
  LogClient owner = client();
  const auto owned = lease(owner);
  network_->deliver_changes({Delivery::kUnanswered, Delivery::kLost, Delivery::kLate});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(refusal(former.append(lost->epoch(former.head()), 3)), NotAppended::kFenced);
  }
  network_->deliver_late();
  EXPECT_THAT(ids(), IsEmpty());
}

TEST_F(RemoteHomeTest, WithoutAnyAnswerAnAppendIsInDoubtAndMayHappenLater) {
  LogClient one = client(format::kIndexLog);
  network_->deliver_changes({Delivery::kLate});
  network_->lose_settles(3);
  EXPECT_EQ(refusal(one.append(0, 1)), NotAppended::kInDoubt);
  EXPECT_EQ(refusal(one.append(0, 2)), NotAppended::kInDoubt);
  EXPECT_EQ(refusal(one.replace(0)), NotAppended::kInDoubt);
  EXPECT_THAT(ids(format::kIndexLog), IsEmpty());
  network_->deliver_late();
  EXPECT_THAT(ids(format::kIndexLog), ElementsAre(1));
}

TEST_F(RemoteHomeTest, OneAnswerOfSeveralQuestionsIsEnough) {
  LogClient one = client(format::kIndexLog);
  network_->deliver_changes({Delivery::kUnanswered});
  network_->lose_settles(2);
  EXPECT_TRUE(one.append(0, 1));
}

TEST_F(RemoteHomeTest, AnAppendInDoubtIsKeptAwayByWhatCameBeforeIt) {
  LogClient one = client(format::kIndexLog);
  LogClient other = client(format::kIndexLog);
  network_->deliver_changes({Delivery::kLate});
  network_->lose_settles(3);
  EXPECT_EQ(refusal(one.append(0, 1)), NotAppended::kInDoubt);
  ASSERT_TRUE(other.append(0, 2));
  network_->deliver_late();
  EXPECT_THAT(ids(format::kIndexLog), ElementsAre(2));

  LogClient former = client();
  const auto lost = lease(former);
  network_->deliver_changes({Delivery::kLate});
  network_->lose_settles(3);
  EXPECT_EQ(refusal(former.append(lost->epoch(former.head()), 3)), NotAppended::kInDoubt);
  pool_->expire(kRemoteDisk);
  LogClient owner = client();
  const auto owned = lease(owner);
  network_->deliver_late();
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_TRUE(owner.append(owned->epoch(owner.head()), 4));
}

TEST_F(RemoteHomeTest, AFormerOwnerIsFencedFromTheMomentOnAtWhichTheLeaseIsTaken) {
  LogClient former = client();
  auto lost = lease(former);
  const std::uint64_t old = lost->epoch(former.head());
  pool_->expire(kRemoteDisk);
  // Until then it may go on: no process relies on its absence.
  EXPECT_TRUE(former.append(old, 1));
  LogClient owner = client();
  const auto owned = lease(owner);
  ASSERT_NE(owned, nullptr);
  EXPECT_EQ(refusal(former.append(old, 2)), NotAppended::kFenced);
  EXPECT_THAT(ids(), ElementsAre(1));
  // What it lost is not its to give up.
  lost.reset();
  EXPECT_TRUE(value_of(home_.has_owner(kRemoteDisk)));
  EXPECT_EQ(lease(former), nullptr);
}

TEST_F(RemoteHomeTest, ALeaseExpiresByScheduleWhenAnotherProcessAsksForIt) {
  LogClient one = client();
  LogClient other = client();
  const auto lost = lease(one);
  EXPECT_EQ(lease(other), nullptr);
  network_->set_chances({.lease_expires = 100});
  const auto owned = lease(other);
  ASSERT_NE(owned, nullptr);
  EXPECT_GT(owned->epoch(other.head()), lost->epoch(one.head()));
}

TEST_F(RemoteHomeTest, AReaderIsBehindUnlessItHoldsALeaseOrWasRefused) {
  LogClient owner = client();
  const auto owned = lease(owner);
  const std::uint64_t epoch = owned->epoch(owner.head());
  for (std::uint32_t id = 1; id <= 4; ++id) ASSERT_TRUE(owner.append(epoch, id));
  network_->withhold(3);
  LogClient behind = client();
  EXPECT_THAT(behind.story(), ElementsAre(Told{1, epoch}));
  const auto other_log = value_of(owner.home().open_log(kRemoteDisk, {}));
  Head complete;
  ASSERT_TRUE(ok(other_log->read(complete, {[] {}, [](auto) { return Status{}; }})));
  EXPECT_EQ(complete, owner.head());
  EXPECT_EQ(refusal(behind.log().make_durable(behind.head(), epoch)), NotAppended::kStale);
  EXPECT_EQ(refusal(behind.append(epoch, 5)), NotAppended::kStale);
  ASSERT_TRUE(ok(behind.read()));
  EXPECT_EQ(behind.head(), owner.head());
}

TEST_F(RemoteHomeTest, AReaderBehindSeesACheckpointAsAWholeOrNotAtAll) {
  LogClient owner = client();
  const auto owned = lease(owner);
  const std::uint64_t epoch = owned->epoch(owner.head());
  for (std::uint32_t id = 1; id <= 4; ++id) ASSERT_TRUE(owner.append(epoch, id));
  LogClient reader = client();
  const Story before = reader.story();
  const int restarts = reader.restarts();
  ASSERT_TRUE(owner.replace(epoch, 1));
  ASSERT_TRUE(owner.append(epoch, 5));
  network_->withhold(2);
  ASSERT_TRUE(ok(reader.read()));
  EXPECT_EQ(reader.restarts(), restarts);
  EXPECT_EQ(reader.story(), before);
  EXPECT_EQ(client().story(), before);  // of the new generation
  network_->withhold(1);
  ASSERT_TRUE(ok(reader.read()));
  EXPECT_EQ(reader.restarts(), restarts + 1);
  EXPECT_EQ(reader.story(), before);
  network_->withhold(0);
  ASSERT_TRUE(ok(reader.read()));
  EXPECT_EQ(reader.story(), owner.story());
}

TEST_F(RemoteHomeTest, AWriteThatTimedOutMayHappenAtOnceLaterOrNever) {
  const auto file = value_of(home_.create_segment(kRemoteDisk, 1));
  network_->deliver_writes({Delivery::kAnswered, Delivery::kUnanswered, Delivery::kLate,
                            Delivery::kAnswered, Delivery::kLost});
  const auto first_byte = [&] { return machine_.contents(segment(), {0, 1})[0]; };
  EXPECT_EQ(write(*file, 1), 0);
  EXPECT_EQ(write(*file, 2), ETIMEDOUT);
  EXPECT_EQ(first_byte(), std::byte{2});
  EXPECT_EQ(write(*file, 3), ETIMEDOUT);
  EXPECT_EQ(first_byte(), std::byte{2});
  EXPECT_EQ(write(*file, 4), 0);
  EXPECT_EQ(first_byte(), std::byte{4});
  network_->deliver_late();
  EXPECT_EQ(first_byte(), std::byte{3});
  EXPECT_EQ(write(*file, 5), ETIMEDOUT);
  EXPECT_EQ(first_byte(), std::byte{3});
}

TEST_F(RemoteHomeTest, ALateWriteDoesNotBringARemovedSegmentBack) {
  auto file = value_of(home_.create_segment(kRemoteDisk, 1));
  network_->deliver_writes({Delivery::kLate});
  EXPECT_EQ(write(*file, 1), ETIMEDOUT);
  file.reset();
  ASSERT_TRUE(ok(home_.remove_segment(kRemoteDisk, 1)));
  network_->deliver_late();
  EXPECT_FALSE(value_of(machine_.exists(segment())));
}

TEST_F(RemoteHomeTest, AWriteToADeviceDoesNotCrossTheNetwork) {
  machine_.add_device("/dev/a", kWriteBytes);
  const auto device = value_of(home_.env().open("/dev/a", {.access = io::Access::kReadWrite}));
  network_->deliver_writes({Delivery::kLost});
  EXPECT_EQ(write(*device, 1), 0);
  const auto file = value_of(home_.create_segment(kRemoteDisk, 1));
  EXPECT_EQ(write(*file, 1), ETIMEDOUT);
}

// A queue returns what timed out and what did not, each once.
TEST_F(RemoteHomeTest, TimeOutsAreCompletionsLikeAllOthers) {
  const auto file = value_of(home_.create_segment(kRemoteDisk, 1));
  const auto queue = value_of(home_.env().make_queue({.depth = 4}));
  network_->deliver_writes({Delivery::kLost, Delivery::kAnswered, Delivery::kLost});
  std::vector<std::byte> bytes(4 * kWriteBytes);
  std::vector<io::Request> requests;
  for (std::uint64_t i = 0; i < 4; ++i) {
    requests.push_back(
        {io::Op::kWrite, file.get(), {i * kWriteBytes, kWriteBytes}, bytes.data(), i});
  }
  ASSERT_TRUE(ok(queue->submit(requests)));
  EXPECT_EQ(queue->in_flight(), 4U);
  EXPECT_FALSE(queue->submit(requests));
  std::vector<io::Completion> done;
  while (queue->in_flight() != 0) ASSERT_TRUE(ok(queue->wait(1, done)));
  std::array<int, 4> errors{-1, -1, -1, -1};
  for (const io::Completion& each : done) errors[each.user_data] = each.error;
  EXPECT_EQ(done.size(), 4U);
  EXPECT_THAT(errors, ElementsAre(ETIMEDOUT, 0, ETIMEDOUT, 0));
}

// The recovery meets what its predecessor sent.
TEST_F(RemoteHomeTest, WhatIsLateArrivesAfterAPowerCutOfItsSender) {
  const auto file = value_of(home_.create_segment(kRemoteDisk, 1));
  require(home_.sync_segments(kRemoteDisk));
  network_->deliver_writes({Delivery::kLate});
  EXPECT_EQ(write(*file, 9), ETIMEDOUT);
  LogClient owner = client();
  const auto lost = lease(owner);
  ASSERT_TRUE(owner.append(lost->epoch(owner.head()), 1));
  network_->deliver_changes({Delivery::kLate, Delivery::kLate});
  network_->lose_settles(6);
  EXPECT_EQ(refusal(owner.append(lost->epoch(owner.head()), 2)), NotAppended::kInDoubt);
  LogClient index = client(format::kIndexLog);
  EXPECT_EQ(refusal(index.append(0, 3)), NotAppended::kInDoubt);

  const auto after = machine_.crash(1);
  const auto pool = std::make_shared<sim::MemoryPool>(*pool_, *after);
  const auto network = std::make_shared<sim::RemoteNetwork>(*network_, pool);
  ASSERT_EQ(network->late(), 3U);
  LogClient again(std::make_unique<sim::RemoteHome>(network), kRemoteDisk);
  const auto owned = lease(again);
  ASSERT_NE(owned, nullptr);
  network->deliver_late();
  ASSERT_TRUE(ok(again.read()));
  EXPECT_EQ(again.story(), owner.story());  // fenced
  LogClient index_again(std::make_unique<sim::RemoteHome>(network), format::kIndexLog);
  ASSERT_TRUE(ok(index_again.read()));
  EXPECT_THAT(index_again.story(), ElementsAre(Told{3, 0}));
  EXPECT_EQ(after->contents(segment(), {0, 1})[0], std::byte{9});
  EXPECT_THAT(ids(format::kIndexLog), IsEmpty());
}

TEST(RemoteNetwork, TheSameSeedGivesTheSameRun) {
  const auto run = [](std::uint64_t seed) {
    sim::SimulatedEnv machine;
    const auto pool = std::make_shared<sim::MemoryPool>(machine, format::StoreHeader{});
    const auto network = std::make_shared<sim::RemoteNetwork>(
        pool, seed,
        sim::NetworkChances{.changes = {.unanswered = 20, .late = 20, .lost = 20},
                            .settle_lost = 10});
    std::vector<int> told;
    LogClient one(std::make_unique<sim::RemoteHome>(network), format::kIndexLog);
    require(one.read());
    for (std::uint32_t id = 1; id <= 100; ++id) {
      const auto why = refusal(one.append(0, id));
      told.push_back(why ? static_cast<int>(*why) : -1);
    }
    return told;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace blkrewind::store
