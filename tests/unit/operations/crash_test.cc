// The power goes at every operation of every workload; every operation fails, once and for good.
//
// A failure prints the workload, the operation and the fate of what was not flushed: run that one
// again with --gtest_filter. The seeds are fixed.
#include <gtest/gtest.h>
#include <malloc.h>

#include <iostream>
#include <string>
#include <utility>

#include "support/crash_scenes.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kStatesMax = 14;
const std::vector<sim::OpKind> kTakingRoom = {sim::OpKind::kWrite, sim::OpKind::kWriteZeroes,
                                              sim::OpKind::kTruncate, sim::OpKind::kCreate,
                                              sim::OpKind::kRename};

class Crash : public testing::TestWithParam<Workload> {
 protected:
  // Thousands of operations that each take and give back a buffer: keep the pages.
  static void SetUpTestSuite() {
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
  }
  // The scene, always from the same machine.
  void SetUp() override { scene_ = GetParam().prepare(); }

  std::unique_ptr<OperationsBench> fresh() {
    auto bench = std::make_unique<OperationsBench>(scene_.env->crash(1), scene_.disk);
    EXPECT_TRUE(ok(bench->open()));
    return bench;
  }
  Status run(OperationsBench& bench) { return GetParam().run(bench, scene_); }

  // One state that a power cut left; an intent is followed in both directions.
  void check_state(std::unique_ptr<sim::SimulatedEnv> after, bool acknowledged) {
    auto twin = after->crash(1);
    OperationsBench bench(std::move(after), scene_.disk);
    ASSERT_TRUE(ok(bench.open()));
    const auto intent = bench.view().intent;
    Known known;
    check(bench, scene_, acknowledged, false, known);
    if (HasFatalFailure()) return;
    check_usable(bench);
    if (!intent || intent->undo == 0) return;
    SCOPED_TRACE("backwards");
    OperationsBench back(std::move(twin), scene_.disk);
    check(back, scene_, acknowledged, true, known);
    if (HasFatalFailure()) return;
    check_usable(back);
  }

  // What was acknowledged after the trouble survives another power cut.
  void check_kept(OperationsBench& bench, Known known) {
    known.snapshots[bench.must_snapshot()] = known.device;
    bench.close();
    bench.env().crash_states(
        2, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
          SCOPED_TRACE("a second power cut: " + what);
          OperationsBench again(std::move(after), scene_.disk);
          const Status opened = again.open();
          EXPECT_TRUE(ok(opened));
          if (!opened) return false;
          EXPECT_FALSE(again.view().intent.has_value());
          EXPECT_TRUE(same(again.device(), known.device));
          for (const auto& [number, bytes] : known.snapshots) {
            EXPECT_TRUE(again.exports_as(number, bytes)) << "snapshot " << number;
          }
          check_usable(again);
          return !HasFailure();
        });
  }

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
          check_state(std::move(after), done.has_value());
          return !HasFailure();
        },
        {.seed = cut + 1});
    states += coverage.visited;
  }
  std::cout << "cut at " << cut << " moments, looked at " << states << " states\n";
  EXPECT_GT(cut, 4U);
}

struct Trouble {
  const char* name;
  sim::Fault fault;
};

// Every operation fails in turn; the process ends, and another one looks.
TEST_P(Crash, EveryOperationFails) {
  const std::vector<Trouble> troubles = {
      {"EIO once", {.error = EIO}},
      {"ENOSPC once", {.kinds = kTakingRoom, .error = ENOSPC}},
      {"EIO from then on", {.from_then_on = true, .error = EIO}},
      {"a flush that loses what it should have kept",
       {.kinds = {sim::OpKind::kFlush}, .error = EIO, .flush_loss = sim::FlushLoss::kVanish}},
      {"a flush of the store after which no other helps",
       {.kinds = {sim::OpKind::kFlush},
        .path = kStore,
        .error = EIO,
        .flush_loss = sim::FlushLoss::kCacheOnly}},
      {"half a write", {.kinds = {sim::OpKind::kWrite}, .error = EIO, .applied_bytes = 2048}},
  };
  for (const Trouble& trouble : troubles) {
    std::uint64_t nth = 1;
    for (bool hit = true; hit && !HasFailure(); ++nth) {
      SCOPED_TRACE(std::string(trouble.name) + " at operation " + std::to_string(nth));
      auto bench = fresh();
      sim::Fault fault = trouble.fault;
      fault.nth = nth;
      bench->env().inject(fault);
      const Status done = run(*bench);
      hit = bench->env().fault_hits() != 0;
      if (!hit) {
        ASSERT_TRUE(ok(done));
      } else if (!done) {
        EXPECT_NE(done.error().code, Errc::kInternal) << done.error().to_string();
        EXPECT_FALSE(done.error().message.empty());
      }
      bench->close();
      bench->env().clear_faults();
      const bool backwards = nth % 2 == 0;
      bench->env().crash_states(
          2,
          [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
            SCOPED_TRACE("then a power cut: " + what);
            OperationsBench rebooted(std::move(after), scene_.disk);
            Known known;
            check(rebooted, scene_, done.has_value(), backwards, known);
            return !HasFailure();
          },
          {.seed = nth});
      if (HasFailure()) return;
      Known known;
      check(*bench, scene_, done.has_value(), backwards, known);
      if (HasFailure()) return;
      check_kept(*bench, known);
    }
    std::cout << trouble.name << ": " << nth - 2 << " operations\n";
  }
}

// A record whose flush failed can be read and may be gone after a power cut: whatever the next
// process does because of it must not outlive it.
TEST_P(Crash, NothingIsBuiltOnARecordThatWasNotFlushed) {
  bool hit = true;
  for (std::uint64_t nth = 1; hit; ++nth) {
    bool cut_off = true;
    for (std::uint64_t cut = 0; cut_off; ++cut) {
      auto bench = fresh();
      bench->env().inject({.kinds = {sim::OpKind::kFlush},
                           .path = std::string(kStore) + "/journal",
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
            check_state(std::move(after), false);
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
