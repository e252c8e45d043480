#include "support/crash_faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "support/order_rules.h"

namespace blkrewind::test {
namespace {

const std::vector<sim::OpKind> kTakingRoom = {sim::OpKind::kWrite,    sim::OpKind::kWriteZeroes,
                                              sim::OpKind::kTruncate, sim::OpKind::kReserve,
                                              sim::OpKind::kCreate,   sim::OpKind::kRename};

bool failed_already() { return testing::Test::HasFailure(); }

// Everything acknowledged after the fault survives another power cut.
void check_kept(OperationsBench& bench, const Scene& scene, Known known) {
  known.snapshots[bench.must_snapshot()] = known.device;
  bench.close();
  bench.env().crash_states(
      2, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
        SCOPED_TRACE("a second power cut: " + what);
        OperationsBench again(std::move(after), scene.disk);
        const Status opened = again.open();
        EXPECT_TRUE(ok(opened));
        if (!opened) return false;
        EXPECT_FALSE(again.view().intent.has_value());
        EXPECT_TRUE(same(again.device(), known.device));
        for (const auto& [number, bytes] : known.snapshots) {
          EXPECT_TRUE(again.exports_as(number, bytes)) << "snapshot " << number;
        }
        check_usable(again);
        return !failed_already();
      });
}

// After a silent fault: reporting damage is allowed, returning wrong bytes is not.
void check_never_wrong(OperationsBench& bench, const Scene& scene, bool acknowledged) {
  const Status opened = bench.open();
  if (!opened) {
    EXPECT_EQ(opened.error().code, Errc::kIntegrity) << opened.error().to_string();
    return;
  }
  for (const auto& [number, bytes] : scene.snapshots) {
    (void)bench.env().remove(kExported);
    const auto receipt = bench.operations().export_image(bench.key(number), kExported, {}, {});
    if (receipt) {
      EXPECT_TRUE(same(bench.env().contents(kExported), bytes)) << "snapshot " << number;
    } else {
      EXPECT_TRUE(receipt.error().code == Errc::kIntegrity ||
                  receipt.error().code == Errc::kNotFound)
          << receipt.error().to_string();
    }
  }
  if (acknowledged && scene.target_number != 0 && !bench.view().intent) {
    EXPECT_TRUE(same(bench.device(), scene.ends_at_before ? scene.before : scene.target));
  }
}

}  // namespace

const std::vector<Trouble>& troubles() {
  using sim::FlushLoss;
  using sim::OpKind;
  static const std::vector<Trouble> kTroubles = {
      {"EIO once", {.error = EIO}},
      {"EIO from then on", {.from_then_on = true, .error = EIO}},
      {"EAGAIN once", {.error = EAGAIN}},
      {"ENOSPC once", {.kinds = kTakingRoom, .error = ENOSPC}},
      {"ENOSPC from then on", {.kinds = kTakingRoom, .from_then_on = true, .error = ENOSPC}},
      {"no read works any more", {.kinds = {OpKind::kRead}, .from_then_on = true, .error = EIO}},
      {"half a write", {.kinds = {OpKind::kWrite}, .error = EIO, .applied_bytes = 2048}},
      {"a short write, and the disk is full",
       {.kinds = {OpKind::kWrite}, .from_then_on = true, .error = ENOSPC, .applied_bytes = 512}},
      {"a flush that loses what it should have kept",
       {.kinds = {OpKind::kFlush}, .error = EIO, .flush_loss = FlushLoss::kVanish}},
      {"a flush of the store after which no other helps",
       {.kinds = {OpKind::kFlush},
        .path = kStore,
        .error = EIO,
        .flush_loss = FlushLoss::kCacheOnly}},
      {"no flush works any more",
       {.kinds = {OpKind::kFlush, OpKind::kSyncDirectory}, .from_then_on = true, .error = EIO}},
      {"a read of the store from another place",
       {.kinds = {OpKind::kRead}, .path = kStore, .error = 0, .misdirect_bytes = 4096},
       true},
      {"a write to the store that lands elsewhere",
       {.kinds = {OpKind::kWrite}, .path = kStore, .error = 0, .misdirect_bytes = 4096},
       true},
  };
  return kTroubles;
}

Meeting meet_trouble(const Workload& workload, const Scene& scene, const Trouble& trouble,
                     std::uint64_t nth) {
  SCOPED_TRACE(std::string(trouble.name) + " at operation " + std::to_string(nth));
  OperationsBench bench(scene.env->crash(1), scene.disk);
  EXPECT_TRUE(ok(bench.open()));
  bench.env().clear_log();
  sim::Fault fault = trouble.fault;
  fault.nth = nth;
  if (fault.path == kStore) fault.path = bench.home().folder();
  bench.env().inject(fault);
  const Status done = workload.run(bench, scene);
  const bool reached = bench.env().fault_hits() != 0;
  const Meeting meeting = !reached ? Meeting::kNotReached
                          : done   ? Meeting::kSurvived
                                   : Meeting::kFailed;
  if (!reached) {
    EXPECT_TRUE(ok(done));
    return meeting;
  }
  if (!done) {
    EXPECT_NE(done.error().code, Errc::kInternal) << done.error().to_string();
    EXPECT_FALSE(done.error().message.empty());
  }
  // The log does not record the process of an operation.
  if (workload.processes == 1) {
    EXPECT_THAT(retried_flushes(bench.env().log(), bench.home().type()), testing::IsEmpty());
  }
  bench.close();
  EXPECT_EQ(bench.env().open_files(), 0U);
  bench.env().clear_faults();
  if (trouble.silent) {
    check_never_wrong(bench, scene, done.has_value());
    return meeting;
  }
  const bool backwards = nth % 2 == 0;
  bench.env().crash_states(2,
                           [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
                             SCOPED_TRACE("then a power cut: " + what);
                             OperationsBench rebooted(std::move(after), scene.disk);
                             Known known;
                             check(rebooted, scene, done.has_value(), backwards, known);
                             return !failed_already();
                           },
                           {.seed = nth});
  if (failed_already()) return meeting;
  Known known;
  check(bench, scene, done.has_value(), backwards, known);
  if (!failed_already()) check_kept(bench, scene, known);
  return meeting;
}

}  // namespace blkrewind::test
