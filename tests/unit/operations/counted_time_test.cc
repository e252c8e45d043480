// Counting of the retention and of tokens: by observed time, whatever the wall clock says.
#include "operations/counted_time.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "format/record_codec.h"

namespace blkrewind {
namespace {

using format::SnapshotNumber;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kDay = 86'400;
constexpr format::DiskNumber kDisk = 1;

class CountedTime : public testing::Test {
 protected:
  // Announces a snapshot of `disk`.
  void take(SnapshotNumber number, std::uint32_t days, const std::string& token = {},
            format::DiskNumber disk = kDisk) {
    format::SnapshotRecord snapshot;
    snapshot.number = number;
    snapshot.disk = disk;
    format::NoteRecord note;
    note.snapshot = number;
    note.disk = disk;
    note.retention_days = days;
    format::TokenRecord used;
    used.snapshot = number;
    used.disk = disk;
    used.token = token;
    format::Transaction transaction = {snapshot};
    add_notes(state_, note, used, now_, transaction);
    apply(transaction);
  }
  void apply(const format::Transaction& transaction) {
    for (const auto& entry : transaction) ASSERT_TRUE(format::check_entry(entry));
    state_.apply(transaction);
  }
  std::vector<SnapshotNumber> over(format::DiskNumber disk = kDisk) {
    const TimeCount count = count_retention(state_, disk, now_);
    apply(count.entries);
    return count.over;
  }
  // The machine runs, and the server counts at intervals.
  void run(std::int64_t seconds, std::int64_t step = kDay) {
    for (; seconds > 0; seconds -= step) {
      now_.wall += std::min(step, seconds);
      now_.boottime += std::min(step, seconds);
      static_cast<void>(over());
    }
  }
  void reboot(std::int64_t off, std::int64_t clock_wrong_by = 0) {
    now_.wall += off + clock_wrong_by;
    now_.boottime = 20;
    now_.boot_id = "boot-" + std::to_string(++boots_);
  }
  // The snapshot that the token was used for; 0: it is not remembered.
  SnapshotNumber used(const std::string& token, format::DiskNumber disk = kDisk) {
    const auto* known = find_token(state_, disk, token, now_);
    return known == nullptr ? 0 : known->snapshot;
  }

  store::State state_;
  Moment now_ = {1'700'000'000, 1000, "boot-0"};
  int boots_ = 0;
};

TEST_F(CountedTime, IsOverWhenItsDaysHavePassed) {
  take(1U, 30);
  take(2U, 0);
  run(30 * kDay - 1);
  EXPECT_THAT(over(), IsEmpty());
  run(1);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, LooksThatAreCloseTogetherAddUp) {
  take(1U, 1);
  run(kDay - 60, 60);
  EXPECT_THAT(over(), IsEmpty());
  run(60, 60);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, ALookWritesSeldom) {
  take(1U, 1);
  run(3600, 60);
  const std::int64_t counted = state_.clocks.get(kDisk)->counted;
  EXPECT_GE(counted, 3000);
  EXPECT_EQ(counted % 600, 0);
}

// The server was not running, the machine was.
TEST_F(CountedTime, ARestartOfTheServerCostsNothing) {
  take(1U, 30);
  run(30 * kDay, 30 * kDay);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, AClockThatIsSetRightEndsNothing) {
  now_.wall = 946'684'800;  // 2000: no battery
  take(1U, 30);
  run(60, 60);
  now_.wall = 1'700'000'000;
  EXPECT_THAT(over(), IsEmpty());
  run(30 * kDay - 61);
  EXPECT_THAT(over(), IsEmpty());
  run(60);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, AClockThatIsAheadForAWhileEndsNothing) {
  take(1U, 30);
  now_.wall += 400 * kDay;
  EXPECT_THAT(over(), IsEmpty());
  run(3600, 60);
  now_.wall -= 400 * kDay;
  run(3600, 60);
  EXPECT_THAT(over(), IsEmpty());
  run(30 * kDay);
  EXPECT_THAT(over(), ElementsAre(1U)) << "nor does it keep it for ever";
}

TEST_F(CountedTime, AClockThatIsAheadAfterARebootEndsNothing) {
  take(1U, 30);
  run(29 * kDay);
  reboot(60, 3650 * kDay);
  EXPECT_THAT(over(), IsEmpty()) << "in the first second";
  run(600, 60);
  now_.wall -= 3650 * kDay;  // NTP
  run(3600, 60);
  EXPECT_THAT(over(), IsEmpty());
  run(kDay - 5400, 60);
  EXPECT_THAT(over(), IsEmpty()) << "what the wrong clock owed is forgotten";
  run(3600, 60);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, AClockThatStaysAheadNeverEndsOneBeforeHalfOfItsTime) {
  take(1U, 30);
  reboot(60, 3650 * kDay);
  run(15 * kDay - 60, 6 * 3600);
  EXPECT_THAT(over(), IsEmpty());
}

TEST_F(CountedTime, TimeThatTheMachineWasOffIsMadeUpFor) {
  take(1U, 30);
  run(10 * kDay);
  reboot(10 * kDay);
  EXPECT_THAT(over(), IsEmpty());
  run(5 * kDay);
  EXPECT_THAT(over(), IsEmpty()) << "20 of 30";
  run(5 * kDay);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, RebootsCostNothing) {
  take(1U, 30);
  for (int i = 0; i < 30; ++i) {
    run(kDay - 120, 6 * 3600);
    reboot(120);
    static_cast<void>(over());
  }
  EXPECT_THAT(over(), IsEmpty()) << "what the last reboot took is owed";
  run(120, 60);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, AClockThatGoesBackAcrossARebootGoesOnCounting) {
  take(1U, 2);
  reboot(60, -1000 * kDay);
  EXPECT_THAT(over(), IsEmpty());
  run(2 * kDay);
  EXPECT_THAT(over(), ElementsAre(1U));
}

TEST_F(CountedTime, ASnapshotIsNotGrantedWhatPassedBeforeIt) {
  take(1U, 30);
  now_.wall += 20 * kDay;
  now_.boottime += 20 * kDay;
  take(2U, 10);
  EXPECT_THAT(over(), IsEmpty());
  run(10 * kDay - 1);
  EXPECT_THAT(over(), IsEmpty());
  run(1);
  EXPECT_THAT(over(), ElementsAre(1U, 2U));
}

TEST_F(CountedTime, EachDiskHasItsOwnClock) {
  take(1U, 1);
  now_.wall += kDay;
  now_.boottime += kDay;
  take(2U, 1, {}, 2);
  EXPECT_TRUE(has_retention(state_));
  EXPECT_THAT(over(2), IsEmpty());
  EXPECT_THAT(over(), ElementsAre(1U));
  EXPECT_FALSE(state_.clocks.get(2)->counted > 0);
}

TEST_F(CountedTime, ASnapshotWithoutNotesCountsNothing) {
  take(1U, 0);
  EXPECT_TRUE(state_.clocks.empty());
  EXPECT_TRUE(state_.notes.empty());
  EXPECT_TRUE(state_.tokens.empty());
  EXPECT_FALSE(has_retention(state_));
}

TEST_F(CountedTime, TokensAreForgottenAfterADay) {
  take(1U, 0, "t-1");
  const Moment taken = now_;
  now_.wall += kTokenSeconds;
  now_.boottime += kTokenSeconds;
  EXPECT_EQ(used("t-1"), 1U);
  EXPECT_EQ(used("t-2"), 0U);
  EXPECT_EQ(used("t-1", 2), 0U) << "it is of one disk";
  now_.wall += 1;
  now_.boottime += 1;
  EXPECT_EQ(used("t-1"), 0U);
  const Moment later = now_;
  now_.boottime = taken.boottime + 1;
  EXPECT_EQ(used("t-1"), 1U) << "the clock was set";
  reboot(0);
  EXPECT_EQ(used("t-1"), 1U) << "after a reboot nothing is certain";
  now_ = later;
  take(2U, 0, "t-2");
  EXPECT_EQ(state_.tokens.size(), 1U) << "the next one removes it";
  EXPECT_EQ(used("t-2"), 2U);
}

TEST_F(CountedTime, ATokenThatIsUsedAgainIsOfTheLastSnapshot) {
  take(1U, 0, "t");
  now_.wall += kDay;
  now_.boottime += kDay;
  take(2U, 0, "other");
  now_.wall += 1;
  now_.boottime += 1;
  take(3U, 0, "t");
  EXPECT_EQ(used("t"), 3U);
  EXPECT_EQ(used("other"), 2U);
  state_.apply(format::SnapshotRemoved{3});
  EXPECT_EQ(used("t"), 0U);
}

TEST_F(CountedTime, TheOldestTokensMakeRoom) {
  take(1U, 0, "first");
  for (SnapshotNumber number = 2; number <= kTokensMax + 5; ++number) {
    state_.apply(format::TokenRecord{number, kDisk, "t-" + std::to_string(number), {}, 0});
  }
  state_.apply(format::TokenRecord{kTokensMax + 6, 2, "of another disk", {}, 0});
  take(kTokensMax + 7, 0, "new");
  EXPECT_EQ(state_.tokens.size(), kTokensMax + 1);
  EXPECT_EQ(used("first"), 0U);
  EXPECT_EQ(used("t-6"), 0U);
  EXPECT_EQ(used("t-7"), 7U);
  EXPECT_EQ(used("new"), kTokensMax + 7);
  EXPECT_EQ(used("of another disk", 2), kTokensMax + 6);
}

}  // namespace
}  // namespace blkrewind
