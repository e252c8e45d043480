// The pool, and retention, on a real Engine over an image file.
#include "cli/serve/jobs.h"

#include <gtest/gtest.h>

#include <ctime>

#include "cli/serve/retention.h"
#include "control/engine_internal.h"
#include "unit/serve/image_fixture.h"

namespace blkrewind::serve {
namespace {

using namespace std::chrono_literals;

class JobsTest : public ImageTest {};

TEST_F(JobsTest, WhatWasAddedIsDone) {
  {
    Jobs jobs(metrics_, 1, 1);
    auto place = jobs.reserve();
    ASSERT_TRUE(place);
    auto task = engine_->accept_rollback(disk_, snapshot_);
    ASSERT_TRUE(task) << task.error().to_string();
    jobs.add(std::move(*place), std::move(*task));
    while (engine_->disk(disk_)->status == "ReIniting") std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(is_restored());
  EXPECT_NE(metrics_.text().find("blkrewind_rollbacks_total{result=\"done\"} 1"),
            std::string::npos);
}

TEST_F(JobsTest, PlacesAreCountedAndGivenBack) {
  Jobs jobs(metrics_, 1, 1);
  auto first = jobs.reserve();
  auto second = jobs.reserve();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(jobs.reserve());
  first.reset();
  EXPECT_TRUE(jobs.reserve());
}

TEST_F(JobsTest, NothingIsTakenWhileItStops) {
  Jobs jobs(metrics_, 1, 1);
  jobs.stop(0ms, [] { return true; });
  EXPECT_FALSE(jobs.reserve());
}

// A job that has not started stays accepted, and is available at the next start.
TEST_F(JobsTest, WhatWaitsAtTheEndIsLeftForTheNextStart) {
  {
    Jobs jobs(metrics_, 0, 1);  // no worker is running
    auto place = jobs.reserve();
    ASSERT_TRUE(place);
    auto task = engine_->accept_rollback(disk_, snapshot_);
    ASSERT_TRUE(task);
    jobs.add(std::move(*place), std::move(*task));
    jobs.stop(0ms, [] { return false; });
  }
  auto tasks = engine_->unfinished_rollbacks();
  ASSERT_TRUE(tasks);
  ASSERT_EQ(tasks->size(), 1U);
  EXPECT_TRUE(tasks->front().run());
  EXPECT_TRUE(is_restored());
}

TEST_F(JobsTest, ASnapshotHasAPercentageWhileItIsTaken) {
  Jobs jobs(metrics_, 0, 1);
  auto place = jobs.reserve();
  ASSERT_TRUE(place);
  auto task = engine_->accept_snapshot(disk_);
  ASSERT_TRUE(task);
  const std::string id = task->snapshot_id();
  EXPECT_EQ(jobs.percent_of_snapshot(id), std::nullopt);
  jobs.add(std::move(*place), std::move(*task), "R");
  EXPECT_EQ(jobs.percent_of_snapshot(id), 0);
  EXPECT_EQ(jobs.percent_of_snapshot(snapshot_), std::nullopt);
}

TEST_F(JobsTest, RetentionDeletesWhatIsOver) {
  SnapshotNotes notes;
  notes.retention_days = 1;
  auto task = engine_->accept_snapshot(disk_, {}, notes);
  ASSERT_TRUE(task);
  ASSERT_TRUE(task->run());
  Moment now = moment_now();
  EngineAccess::set_moments(*engine_, [&] { return now; });
  Retention retention(*engine_);
  retention.tend(0);
  EXPECT_EQ(engine_->snapshots()->size(), 2U) << "its day is not over";
  now.wall += 400 * 86'400;
  retention.tend(60);
  EXPECT_EQ(engine_->snapshots()->size(), 2U) << "the clock was set, the day is not over";
  now.wall += 86'500;
  now.boottime += 86'500;
  retention.tend(90);
  EXPECT_EQ(engine_->snapshots()->size(), 2U) << "it looks once a minute";
  retention.tend(120);
  ASSERT_EQ(engine_->snapshots()->size(), 1U);
  EXPECT_EQ(engine_->snapshots()->front().id, snapshot_) << "that one has no retention";
}

}  // namespace
}  // namespace blkrewind::serve
