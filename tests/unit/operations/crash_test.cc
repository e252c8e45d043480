// A power cut at every operation of every workload; every operation fails, once and persistently.
//
// A failure prints the workload, the operation and the fate of unflushed operations: run that one
// again with --gtest_filter. The seeds are fixed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <iostream>
#include <string>
#include <utility>

#include "support/crash_faults.h"
#include "support/crash_scenes.h"
#include "support/order_rules.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kStatesMax = 14;

class Crash : public testing::TestWithParam<Workload> {
 protected:
  // Thousands of operations that each allocate and free a buffer: keep the pages.
  static void SetUpTestSuite() {
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
  }
  // The scene, always from the same machine.
  void SetUp() override { scene_ = GetParam().prepare(sim::HomeType::kLocal); }

  std::unique_ptr<OperationsBench> fresh() {
    auto bench = std::make_unique<OperationsBench>(scene_.env->crash(1), scene_.disk);
    EXPECT_TRUE(ok(bench->open()));
    return bench;
  }
  Status run(OperationsBench& bench) { return GetParam().run(bench, scene_); }

  Scene scene_;
};

TEST_P(Crash, PowerCutAtEveryOperation) {
  std::uint64_t cut = 0;
  std::uint64_t states = 0;
  for (bool power_is_off = true; power_is_off && !HasFailure(); ++cut) {
    auto bench = fresh();
    bench->env().set_crash_after(cut);
    const Status done = run(*bench);
    power_is_off = bench->env().power_is_off();
    if (!power_is_off) {
      ASSERT_TRUE(ok(done));
    }
    bench->close();
    const auto coverage = bench->env().crash_states(
        kStatesMax,
        [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
          SCOPED_TRACE("after mutation " + std::to_string(cut) + (done ? ", done" : "") + "; " +
                       what);
          check_state(std::move(after), scene_, done.has_value());
          return !HasFailure();
        },
        {.seed = cut + 1});
    states += coverage.visited;
  }
  std::cout << "cut at " << cut << " moments, looked at " << states << " states\n";
  EXPECT_GT(cut, 4U);
}

// Each operation fails in turn; the process ends, and another one checks.
TEST_P(Crash, EveryOperationFails) {
  for (const Trouble& trouble : troubles()) {
    std::uint64_t nth = 1;
    while (!HasFailure() &&
           meet_trouble(GetParam(), scene_, trouble, nth) != Meeting::kNotReached) {
      ++nth;
    }
    std::cout << trouble.name << ": " << nth - 1 << " operations\n";
  }
}

TEST_P(Crash, NothingIsWrittenBeforeItsTime) {
  const Recording recording = record(GetParam(), scene_, 0);
  const OrderFindings findings = check_order(recording, scene_);
  EXPECT_THAT(findings.breaches, testing::IsEmpty());
  EXPECT_GT(findings.looked_at, 0U);
}

// A record whose flush failed can be read and may be gone after a power cut: an action of the next
// process that relies on it must not outlive it.
TEST_P(Crash, NothingIsBuiltOnARecordThatWasNotFlushed) {
  bool hit = true;
  for (std::uint64_t nth = 1; hit; ++nth) {
    bool cut_off = true;
    for (std::uint64_t cut = 0; cut_off; ++cut) {
      auto bench = fresh();
      bench->env().inject({.kinds = {sim::OpKind::kFlush},
                           .path = std::string(kStore) + "/disks/1/log",
                           .nth = nth,
                           .flush_loss = sim::FlushLoss::kCacheOnly});
      const Status first = run(*bench);
      hit = bench->env().fault_hits() != 0;
      if (!hit) break;
      EXPECT_FALSE(first.has_value());
      bench->close();
      bench->env().clear_faults();
      bench->env().set_crash_after(bench->env().mutations() + cut);
      ASSERT_TRUE(ok(bench->open()));
      if (bench->view().intent) {
        (void)bench->resume();
      } else {
        (void)bench->operations().collect({});
      }
      cut_off = bench->env().power_is_off();
      bench->close();
      bench->env().crash_states(
          4,
          [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
            SCOPED_TRACE("flush " + std::to_string(nth) + " failed, then a cut after mutation " +
                         std::to_string(cut) + "; " + what);
            check_state(std::move(after), scene_, false);
            return !HasFailure();
          },
          {.seed = cut + 1});
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Operations, Crash, testing::ValuesIn(workloads()),
                         [](const auto& workload) { return workload.param.name; });

}  // namespace
}  // namespace blkrewind::test
