#include "cli/progress.h"

#include <gtest/gtest.h>

#include <limits>

#include "blkrewind/units.h"
#include "unit/cli/capture.h"

namespace blkrewind::cli {
namespace {

TEST(RenderProgress, ShowsPercentBytesRateAndTimeLeft) {
  EXPECT_EQ(render_progress({"scan", kGiB, 4 * kGiB}, 0, 2, 80),
            "scan  25%  [#######.....................]  1 GiB of 4 GiB  512 MiB/s  0:06 left");
}

TEST(RenderProgress, CountsTheRateFromWhereThePhaseBegan) {
  const std::string line = render_progress({"restore", 3 * kGiB, 4 * kGiB}, 2 * kGiB, 2, 100);
  EXPECT_NE(line.find("512 MiB/s"), std::string::npos) << line;
  EXPECT_NE(line.find("0:02 left"), std::string::npos) << line;
}

TEST(RenderProgress, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(render_progress({"scan", kMiB, 0}, 0, 0.1, 80), "scan  1 MiB");
  EXPECT_EQ(render_progress({"scan", 0, kMiB}, 0, 5, 36), "scan   0%  0 B of 1 MiB");
}

TEST(RenderProgress, NeverFillsTheLastColumn) {
  for (unsigned columns = 1; columns < 200; ++columns) {
    const std::string line = render_progress({"verify", kGiB, 3 * kTiB}, 0, 3, columns);
    EXPECT_LE(line.size(), std::max(columns, 2U) - 1) << columns;
  }
}

TEST(RenderProgress, SaysHundredOnlyWhenDone) {
  const std::uint64_t total = std::numeric_limits<std::uint64_t>::max() / 4;
  EXPECT_NE(render_progress({"scan", 999, 1000}, 0, 0, 80).find(" 99%"), std::string::npos);
  EXPECT_NE(render_progress({"scan", total - 1, total}, 0, 0, 80).find(" 99%"), std::string::npos);
  EXPECT_NE(render_progress({"scan", 1000, 1000}, 0, 0, 80).find("100%"), std::string::npos);
  EXPECT_NE(render_progress({"scan", total + 5, total}, 0, 9, 80).find("100%"), std::string::npos);
}

TEST(ProgressBar, DoesNothingWhenNotEnabled) {
  test::Capture capture;
  {
    ProgressBar bar(capture.stream(), false);
    bar.update({"scan", 1, 2});
    bar.erase();
  }
  EXPECT_EQ(capture.text(), "");
}

TEST(ProgressBar, DrawsNothingForShortWork) {
  test::Capture capture;
  {
    ProgressBar bar(capture.stream(), true);
    bar.update({"scan", 1, 2});
  }
  EXPECT_EQ(capture.text(), "");
}

}  // namespace
}  // namespace blkrewind::cli
