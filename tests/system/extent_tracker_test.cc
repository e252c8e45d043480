// The extent tracker on real file systems: its results, when it must not be used, and the state
// after a crash.
#include <sys/xattr.h>

#include "system/extent_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;
using track::Collected;
using track::TrackUse;

class ExtentTracker : public ReflinkSystem {};

INSTANTIATE_TEST_SUITE_P(On, ExtentTracker, testing::Values("xfs", "btrfs"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(ExtentTracker, SmallChangesGiveSmallSets) {
  start();
  EXPECT_THAT(why_not(), HasSubstr("no base snapshot"));
  take("s-1");
  EXPECT_EQ(check("nothing"), 0U);
  std::mt19937_64 random(1);
  write_bytes(image_, 1 * kMiB + 17, random_bytes(random, 1));
  write_bytes(image_, 3 * kMiB, random_bytes(random, 10));
  EXPECT_LE(check("two bytes"), 4 * kExtentBlock);
  take("s-2");
  EXPECT_EQ(check("nothing again"), 0U);
  EXPECT_EQ(clones().size(), 1U);
  remount();
  EXPECT_EQ(check("after a restart"), 0U);
}

// More extents than one query to the file system returns.
TEST_P(ExtentTracker, AFragmentedImage) {
  make_image(16 * kMiB);
  std::mt19937_64 random(6);
  {
    const UniqueFd fd(::open(image_.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16 * kMiB), 0);
    for (std::uint64_t at = 0; at < 16 * kMiB; at += 2 * kExtentBlock) {
      ASSERT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(at)), 1);
    }
  }
  start();
  take("s-1");
  EXPECT_EQ(check("nothing"), 0U);
  std::uint64_t count = 0;
  for (std::uint64_t at = kExtentBlock; at < 16 * kMiB; at += 13 * kExtentBlock) {
    write_bytes(image_, at, "y");
    ++count;
  }
  EXPECT_EQ(check("every 13th block"), count * kExtentBlock);
}

TEST_P(ExtentTracker, KeepsOneHiddenFileThatCannotBeChanged) {
  start();
  take("s-1");
  ASSERT_EQ(clones().size(), 1U);
  const std::string clone = clones().front();
  struct stat status = {};
  ASSERT_EQ(::stat(clone.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(
      std::filesystem::path(clone).filename().string().rfind(".disk.img.blkrewind-d-abc123", 0),
      0U);
  EXPECT_LT(::open(clone.c_str(), O_WRONLY | O_CLOEXEC), 0);
  EXPECT_NE(::unlink(clone.c_str()), 0);
  EXPECT_NE(::rename(image_.c_str(), clone.c_str()), 0);

  EXPECT_TRUE(state().valid) << state().why;
  EXPECT_EQ(state().base, "s-1");
  EXPECT_EQ(state().changed_bytes, 0U);
  write_bytes(image_, 0, "x");
  EXPECT_EQ(state().changed_bytes, kExtentBlock);
  EXPECT_EQ(state().granule_bytes, kExtentBlock);
  EXPECT_EQ(track::start_extents(disk_).error().code, Errc::kAlreadyExists);

  const auto stopped = track::stop_extents(disk_);
  ASSERT_TRUE(stopped) << stopped.error().to_string();
  EXPECT_TRUE(*stopped);
  EXPECT_TRUE(clones().empty());
  EXPECT_EQ(find(), nullptr);
  EXPECT_FALSE(*track::extents_state(disk_, base_snapshot_));
  EXPECT_FALSE(*track::stop_extents(disk_));
}

TEST_P(ExtentTracker, WhatIsWrittenAfterBeginIsInTheNextDifference) {
  start();
  take("s-1");
  write_bytes(image_, 0, "before");
  const auto tracker = find();
  ASSERT_EQ(begin(*tracker), "");
  const std::string at_begin = content();
  write_bytes(image_, 2 * kMiB, "after");
  const auto extents = changed(*tracker);
  EXPECT_EQ(extents, (std::vector<Extent>{{0, kExtentBlock}})) << "as of begin()";
  write_bytes(image_, 3 * kMiB, "later");
  EXPECT_EQ(changed(*tracker), extents) << "it stands still";
  ASSERT_TRUE(tracker->prepare("s-2", Collected::kDropped));
  EXPECT_EQ(changed(*tracker), extents) << "up to commit()";
  ASSERT_TRUE(tracker->commit());
  base_snapshot_ = "s-2";
  base_ = at_begin;
  EXPECT_EQ(check("after begin()"), 2 * kExtentBlock);
}

TEST_P(ExtentTracker, ARollbacksOwnWritesAreNotChanges) {
  start();
  take("s-1");
  std::mt19937_64 random(2);
  write_bytes(image_, kMiB, random_bytes(random, 3 * kExtentBlock));
  take("s-2");
  write_bytes(image_, 2 * kMiB, random_bytes(random, 2 * kExtentBlock));
  const auto tracker = find();
  ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
  const auto extents = changed(*tracker);
  expect_all_in(extents, content(), "as of begin()");
  EXPECT_EQ(total(extents), 2 * kExtentBlock);
  write_bytes(image_, 0, random_bytes(random, kMiB));  // what the rollback writes
  tracker->wrote(kMiB);
  EXPECT_EQ(changed(*tracker), extents);
  finish(*tracker, "s-1");
  EXPECT_EQ(check("after the rollback"), 0U);
  write_bytes(image_, 3 * kMiB, "x");
  EXPECT_EQ(check("after the rollback and a write"), kExtentBlock);
}

TEST_P(ExtentTracker, AnAbandonedOperationLosesNothing) {
  start();
  take("s-1");
  write_bytes(image_, 0, "one");
  for (const TrackUse use : {TrackUse::kRead, TrackUse::kWrite}) {
    for (const bool prepared : {false, true}) {
      const auto tracker = find();
      ASSERT_EQ(begin(*tracker, use), "");
      EXPECT_TRUE(!prepared || tracker->prepare("s-never", Collected::kDropped));
      write_bytes(image_, kMiB, "two");
      ASSERT_TRUE(tracker->abandon());
      EXPECT_FALSE(tracker->changed(0)) << "nothing is known outside of an operation";
      EXPECT_EQ(clones().size(), 1U);
      EXPECT_EQ(check("after abandon()"), 2 * kExtentBlock);
    }
  }
}

// Each way to die, with the content of the journal then.
TEST_P(ExtentTracker, ADeadOperationIsFoundOutByTheAnchor) {
  start();
  take("s-1");
  write_bytes(image_, 0, "one");
  for (const TrackUse use : {TrackUse::kRead, TrackUse::kWrite}) {
    static_cast<void>(begin(*find(), use));
    EXPECT_EQ(clones().size(), 1U) << "begin() leaves no name";
    EXPECT_EQ(check("died after begin()"), kExtentBlock);
    {
      const auto tracker = find();
      ASSERT_EQ(begin(*tracker, use), "");
      ASSERT_TRUE(tracker->prepare("s-lost", Collected::kDropped));
    }
    EXPECT_EQ(clones().size(), 2U);
    EXPECT_EQ(state().changed_bytes, kExtentBlock);
    EXPECT_EQ(clones().size(), 2U) << "looking changes nothing";
    EXPECT_EQ(check("died before the record"), kExtentBlock);
    EXPECT_EQ(clones().size(), 1U);
  }
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker), "");
    remember();
    ASSERT_TRUE(tracker->prepare("s-2", Collected::kDropped));
    base_snapshot_ = "s-2";
  }
  EXPECT_EQ(check("died after the record"), 0U);
  EXPECT_EQ(clones().size(), 1U);

  // A rollback to the base snapshot itself.
  write_bytes(image_, 2 * kMiB, "three");
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
    write_bytes(image_, 2 * kMiB, base_.substr(2 * kMiB, 5));
    tracker->wrote(kExtentBlock);
    ASSERT_TRUE(tracker->prepare("s-2", Collected::kDropped));
  }
  EXPECT_EQ(check("the older clone of the two"), kExtentBlock);

  // A rollback to another snapshot: whether it had compared everything is unknown.
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
    ASSERT_TRUE(tracker->prepare("s-1", Collected::kDropped));
    base_snapshot_ = "s-1";
  }
  EXPECT_FALSE(state().valid);
  EXPECT_THAT(why_not(), HasSubstr("died"));
  EXPECT_EQ(clones().size(), 1U);
}

TEST_P(ExtentTracker, WhatAnOperationDidNotLookAtIsNotForgotten) {
  start();
  take("s-1");
  write_bytes(image_, 0, "not looked at");
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
    write_bytes(image_, kMiB, base_.substr(kMiB, 100));
    ASSERT_TRUE(tracker->prepare("s-1", Collected::kKept));
    ASSERT_TRUE(tracker->commit());
  }
  EXPECT_EQ(check("back to the base itself"), 2 * kExtentBlock);
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
    ASSERT_TRUE(tracker->prepare("s-other", Collected::kKept));
    ASSERT_TRUE(tracker->commit());
    base_snapshot_ = "s-other";
  }
  EXPECT_THAT(why_not(), HasSubstr("without comparing the whole device"));
  EXPECT_EQ(clones().size(), 1U);
}

// No user could easily remove an immutable file that belongs to nothing any more.
TEST_P(ExtentTracker, StopsAlsoWhenTheImageIsGone) {
  start();
  take("s-1");
  ASSERT_EQ(clones().size(), 1U);
  const std::string elsewhere = image_ + ".moved";
  std::filesystem::rename(image_, elsewhere);
  const auto stopped = track::stop_extents(disk_);
  std::filesystem::rename(elsewhere, image_);
  ASSERT_TRUE(stopped) << stopped.error().to_string();
  EXPECT_TRUE(*stopped);
  EXPECT_EQ(clones().size(), 0U);
}

// A clone that does not equal its snapshot would be used once the older one is gone. Writes of
// other processes during a rollback are in the image, but not in the snapshot.
TEST_P(ExtentTracker, NoCloneIsMadeOfWhatOthersWroteMeanwhile) {
  start();
  take("s-1");
  write_bytes(image_, 0, "one");
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
    write_bytes(image_, 0, base_.substr(0, 3));
    tracker->wrote(kExtentBlock);
    write_bytes(image_, kMiB, "another program");
    const Status prepared = tracker->prepare("s-other", Collected::kDropped);
    ASSERT_FALSE(prepared);
    EXPECT_THAT(prepared.error().message, HasSubstr("another process wrote"));
    EXPECT_EQ(clones().size(), 1U);
  }
  EXPECT_EQ(check("what it was, and what was written"), 2 * kExtentBlock);
  base_snapshot_ = "s-other";
  EXPECT_THAT(why_not(), HasSubstr("did not update"));
}

TEST_P(ExtentTracker, NoCloneIsMadeOfWhatWasNotLookedAt) {
  start();
  take("s-1");
  write_bytes(image_, 0, "not looked at");
  {
    const auto tracker = find();
    ASSERT_EQ(begin(*tracker, TrackUse::kWrite), "");
    ASSERT_TRUE(tracker->prepare("s-other", Collected::kKept));
    EXPECT_EQ(clones().size(), 1U);
    base_snapshot_ = "s-other";
  }
  EXPECT_FALSE(state().valid) << "died before commit()";
  EXPECT_THAT(why_not(), HasSubstr("did not update"));
}

TEST_P(ExtentTracker, SurvivesALossOfPowerAtEveryStep) {
  start();
  cut_power();
  restore_power();
  EXPECT_THAT(why_not(), HasSubstr("no base snapshot"));
  take("s-1");
  cut_power();
  restore_power();
  EXPECT_EQ(check("after commit()"), 0U);

  std::mt19937_64 random(3);
  int number = 1;
  for (const TrackUse use : {TrackUse::kRead, TrackUse::kWrite}) {
    for (const std::string step : {"begin", "prepare", "record", "commit", "distrust"}) {
      const std::string what = step + (use == TrackUse::kRead ? ", reading" : ", writing");
      write_bytes(image_, kMiB, random_bytes(random, 3 * kExtentBlock));
      const std::string id = "s-" + std::to_string(++number);
      {
        const auto tracker = find();
        ASSERT_EQ(begin(*tracker, use), "") << what;
        if (use == TrackUse::kWrite) {
          write_bytes(image_, 0, random_bytes(random, 100));
          tracker->wrote(kExtentBlock);
        }
        if (step == "distrust") {
          ASSERT_TRUE(tracker->distrust("told so")) << what;
        } else if (step != "begin") {
          ASSERT_TRUE(tracker->prepare(id, Collected::kDropped)) << what;
          if (step != "prepare") {
            remember();
            base_snapshot_ = id;
          }
          ASSERT_TRUE(step != "commit" || tracker->commit()) << what;
        }
        // Not flushed: it may be lost.
        write_bytes(image_, 3 * kMiB, random_bytes(random, 3 * kExtentBlock));
        cut_power();
      }
      restore_power();
      if (step == "distrust" || (step == "record" && use == TrackUse::kWrite)) {
        EXPECT_THAT(why_not(), HasSubstr(step == "distrust" ? "told so" : "died")) << what;
        take("s-anew");
      } else {
        check(what);
      }
      EXPECT_EQ(clones().size(), 1U) << what;
    }
  }
}

TEST_P(ExtentTracker, DistrustForgetsAllUntilTheNextCommit) {
  start();
  take("s-1");
  const auto tracker = find();
  ASSERT_EQ(begin(*tracker), "");
  ASSERT_TRUE(tracker->prepare("s-2", Collected::kDropped));
  ASSERT_TRUE(tracker->distrust("a byte differed that should not"));
  EXPECT_FALSE(tracker->changed(0));
  EXPECT_FALSE(tracker->commit());
  EXPECT_EQ(clones().size(), 1U);
  EXPECT_EQ(why_not(), "a byte differed that should not");
  EXPECT_EQ(why_not(), "a byte differed that should not") << "and again";
  EXPECT_FALSE(state().valid);
  EXPECT_EQ(state().why, "a byte differed that should not");
  take("s-3");
  EXPECT_EQ(check("anew"), 0U);
}

}  // namespace
}  // namespace blkrewind::test
