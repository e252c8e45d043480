// Accepted resets without a worker, on a real Engine over an image file.
#include "cli/serve/unfinished.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "cli/serve/actions.h"
#include "support/errors.h"
#include "support/temp_dir.h"
#include "unit/serve/image_fixture.h"

namespace blkrewind::serve {
namespace {

using namespace std::chrono_literals;

class UnfinishedTest : public ImageTest {
 protected:
  // As a client sees it; `filter` is preceded by "&".
  [[nodiscard]] Json described(Jobs& jobs, const std::string& filter = {}) const {
    const std::string region = "r";
    const std::string request = "R";
    const auto parameters = Parameters::parse("RegionId=r" + filter, {});
    return describe_disks({*engine_, jobs, region, request}, *parameters)->at("Disks").at("Disk");
  }
};

// The other process is a server that dies, or a command that has ended.
TEST_F(UnfinishedTest, TakesUpWhatIsLetGoOfWhileItRuns) {
  Jobs jobs(metrics_, 1, 1);
  Unfinished unfinished(*engine_, jobs);
  auto other = open();
  std::optional<RollbackTask> task = std::move(*other->accept_rollback(disk_, snapshot_));
  ASSERT_TRUE(unfinished.take_up_all());
  unfinished.tend(1000);
  EXPECT_FALSE(is_restored()) << "the other has it";
  task.reset();
  EXPECT_EQ(described(jobs).at(0).at("Status"), "ReIniting") << "it is still to be done";
  EXPECT_EQ(described(jobs, "&Status=In_use").size(), 0U);
  unfinished.tend(1000);
  EXPECT_FALSE(is_restored()) << "once a second";
  unfinished.tend(1001);
  for (int i = 0; i < 3000 && described(jobs).at(0).at("Status") != "In_use"; ++i) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(is_restored());
  EXPECT_EQ(described(jobs).at(0).at("LastReset").at("Status"), "done");
}

TEST_F(UnfinishedTest, WaitsForAPlace) {
  { ASSERT_TRUE(engine_->accept_rollback(disk_, snapshot_)); }
  Jobs jobs(metrics_, 1, 0);
  auto taken = jobs.reserve();
  Unfinished unfinished(*engine_, jobs);
  unfinished.tend(1000);
  EXPECT_EQ(engine_->disk(disk_)->status, "In_use") << "let go of";
  const auto all = unfinished.take_up_all();
  ASSERT_FALSE(all);
  EXPECT_NE(words_of(all.error()).find("--max-waiting"), std::string::npos);
  taken.reset();
  unfinished.tend(1001);
  for (int i = 0; i < 3000 && !is_restored(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(is_restored());
}

}  // namespace
}  // namespace blkrewind::serve
