#include "cli/serve/metrics.h"

#include <gtest/gtest.h>

namespace blkrewind::serve {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Histogram, BucketsAddUp) {
  Histogram histogram;
  for (const double seconds : {0.005, 0.01, 0.02, 2.0, 1000.0}) histogram.add(seconds);
  const std::string text = histogram.text("t", "Time.");
  EXPECT_TRUE(has_line(text, "# TYPE t histogram")) << text;
  EXPECT_TRUE(has_line(text, "t_bucket{le=\"0.01\"} 2")) << text;  // a bound is in its bucket
  EXPECT_TRUE(has_line(text, "t_bucket{le=\"0.03\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "t_bucket{le=\"1\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "t_bucket{le=\"3\"} 4")) << text;
  EXPECT_TRUE(has_line(text, "t_bucket{le=\"300\"} 4")) << text;
  EXPECT_TRUE(has_line(text, "t_bucket{le=\"+Inf\"} 5")) << text;
  EXPECT_TRUE(has_line(text, "t_sum 1002.035")) << text;
  EXPECT_TRUE(has_line(text, "t_count 5")) << text;
}

TEST(Metrics, CountsWhatHappens) {
  Metrics metrics;
  metrics.count_request("ResetDisk", "OK");
  metrics.count_request("ResetDisk", "OK");
  metrics.count_request("ResetDisk", "IncorrectDiskStatus");
  metrics.rollback_begins();
  metrics.rollback_begins();
  metrics.rollback_begins();
  RollbackReceipt receipt;
  receipt.restored_bytes = 100;
  receipt.zeroed_bytes = 11;
  receipt.scan_seconds = 0.02;
  metrics.rollback_is_done(receipt);
  metrics.rollback_failed();
  metrics.snapshot_begins();
  metrics.snapshot_ended(false);
  const std::string text = metrics.text();
  for (const std::string line :
       {"blkrewind_requests_total{action=\"ResetDisk\",code=\"OK\"} 2",
        "blkrewind_requests_total{action=\"ResetDisk\",code=\"IncorrectDiskStatus\"} 1",
        "blkrewind_rollbacks_running 1", "blkrewind_rollbacks_total{result=\"done\"} 1",
        "blkrewind_rollbacks_total{result=\"failed\"} 1", "blkrewind_snapshots_running 0",
        "blkrewind_snapshots_total{result=\"failed\"} 1", "blkrewind_restored_bytes_total 111",
        "blkrewind_scan_seconds_bucket{le=\"0.03\"} 1", "blkrewind_restore_seconds_count 1"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n" << text;
  }
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace blkrewind::serve
