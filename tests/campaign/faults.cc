// Faults in every operation, and the order of writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "campaign/campaign.h"
#include "campaign/repeatable.h"
#include "support/crash_faults.h"
#include "support/order_rules.h"

namespace blkrewind::campaign {

using test::Meeting;

void break_everything(const Share& share, const test::Workload& workload) {
  Counts& counts = share.tally->counts();
  repeat_from(1);
  const test::Scene scene = workload.prepare(share.home);
  const auto& troubles = test::troubles();
  for (std::size_t which = 0; which < troubles.size(); ++which) {
    for (std::uint64_t nth = 1 + share.process;; nth += share.processes) {
      repeat_from(2);
      const Meeting meeting = test::meet_trouble(workload, scene, troubles[which], nth);
      if (testing::Test::HasFailure()) {
        std::cout << "Repeat it: " << share.command << " --only "
                  << to_string(FaultCase{workload.name, which, nth}) << std::endl;
        return;
      }
      if (meeting == Meeting::kNotReached) break;
      ++counts.fault_points;
      if (meeting == Meeting::kSurvived) ++counts.faults_survived;
    }
  }
}

void replay(const FaultCase& name, sim::HomeType home) {
  const auto found = workload_named(name.workload);
  ASSERT_FALSE(found.empty()) << "no workload " << name.workload;
  ASSERT_LT(name.trouble, test::troubles().size()) << "there are fewer kinds of trouble";
  repeat_from(1);
  const test::Scene scene = found.front().prepare(home);
  repeat_from(2);
  const Meeting meeting =
      test::meet_trouble(found.front(), scene, test::troubles()[name.trouble], name.nth);
  EXPECT_NE(meeting, Meeting::kNotReached) << "there are fewer operations";
}

void watch_order(const Share& share, const test::Workload& workload) {
  constexpr std::uint64_t kRuns = 4;
  repeat_from(1);
  const test::Scene scene = workload.prepare(share.home);
  for (std::uint64_t run = share.process; run < kRuns; run += share.processes) {
    const auto findings = test::check_order(test::record(workload, scene, run), scene);
    EXPECT_THAT(findings.breaches, testing::IsEmpty()) << workload.name << ", run " << run;
    share.tally->counts().ordered_writes += findings.looked_at;
  }
}

}  // namespace blkrewind::campaign
