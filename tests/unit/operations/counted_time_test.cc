// Counting of the retention and of tokens: by observed time, whatever the wall clock says.
#include "operations/counted_time.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/log_codec.h"
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

// More notes than one record can have, each as long as the API allows.
class CountedInParts : public CountedTime {
 protected:
  static constexpr SnapshotNumber kNotes = 13000;

  void SetUp() override {
    format::NoteRecord note;
    note.disk = kDisk;
    note.retention_days = 30;
    for (int i = 0; i < 20; ++i) {
      note.tags.push_back({std::string(126, 'k') + std::to_string(10 + i), std::string(128, 'v')});
    }
    take(kNotes + 1, 30);
    note.counted_from = state_.clocks.get(kDisk)->counted;
    for (note.snapshot = 1; note.snapshot <= kNotes; ++note.snapshot) state_.apply(note);
  }
  // Records one part; whether it was the last.
  bool count_a_part() {
    const TimeCount count = count_retention(state_, kDisk, now_);
    format::ByteWriter writer;
    for (const auto& entry : count.entries) format::encode_entry(entry, writer);
    EXPECT_LT(writer.bytes().size(), format::kMaxRecordPayloadBytes);
    EXPECT_FALSE(count.entries.empty());
    apply(count.entries);
    return count.complete;
  }
  int count_all() {
    for (int parts = 1; parts < 10; ++parts) {
      if (count_a_part()) return parts;
    }
    ADD_FAILURE() << "it does not end";
    return 0;
  }
  void expect_all_owe(std::int64_t seconds) {
    for (const auto& [number, note] : state_.notes) {
      ASSERT_EQ(note.owed_seconds, seconds) << number;
      ASSERT_EQ(note.counted_seconds, 0) << number;
    }
  }
};

TEST_F(CountedInParts, EachNoteOwesTheGapOnce) {
  reboot(10 * kDay);
  EXPECT_GT(count_all(), 1);
  expect_all_owe(10 * kDay);
  EXPECT_THAT(count_retention(state_, kDisk, now_).entries, IsEmpty());
  run(10 * kDay);
  EXPECT_THAT(over(), IsEmpty()) << "20 of 30";
  run(10 * kDay - 1);
  EXPECT_THAT(over(), IsEmpty());
  run(1);
  EXPECT_EQ(over().size(), kNotes + 1);
}

TEST_F(CountedInParts, WhatWasInterruptedGoesOn) {
  reboot(10 * kDay);
  ASSERT_FALSE(count_a_part());
  EXPECT_THAT(count_retention(state_, kDisk, now_).over, IsEmpty());
  now_.wall += 5;  // another process, a moment later
  now_.boottime += 5;
  count_all();
  for (const auto& [number, note] : state_.notes) {
    ASSERT_GE(note.owed_seconds, 10 * kDay) << number;
    ASSERT_LE(note.owed_seconds, 10 * kDay + 5) << number;
  }
}

TEST_F(CountedInParts, AClockThatWasSetInBetweenIsNoTime) {
  reboot(10 * kDay);
  ASSERT_FALSE(count_a_part());
  now_.wall -= 1000 * kDay;
  count_all();
  expect_all_owe(0);
  run(30 * kDay - 600, kDay);
  EXPECT_THAT(over(), IsEmpty());
  run(1200, 600);
  EXPECT_EQ(over().size(), kNotes + 1);
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
