#include "support/order_rules.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>

namespace blkrewind::test {
namespace {

bool writes_bytes(const sim::LoggedOp& op) {
  return op.kind == sim::OpKind::kWrite || op.kind == sim::OpKind::kWriteZeroes ||
         op.kind == sim::OpKind::kDiscard;
}

// The store as a process would find it if only the operations that `keep` selects survived.
OperationsBench found_after(const sim::State& moment, DiskNumber disk,
                            const std::function<bool(const sim::LoggedOp&)>& keep) {
  const sim::CrashSpace space(moment, {});
  return {
      std::make_unique<sim::SimulatedEnv>(space.outcome(space.only(keep)), sim::SimulatedOptions{}),
      disk};
}

bool nothing(const sim::LoggedOp&) { return false; }
bool everything(const sim::LoggedOp&) { return true; }

// Rule 1, before `op`.
std::optional<std::string> breach_of_device_write(const sim::State& before, const Scene& scene) {
  OperationsBench bench = found_after(before, scene.disk, nothing);
  if (!bench.open()) return "with what is durable the store does not open";
  const auto intent = bench.view().intent;
  if (!intent) return "no durable intent";
  if (intent->target != scene.target_number) return "the durable intent has another target";
  if (intent->undo != 0 && !bench.exports_as(intent->undo, scene.before)) {
    return "what is about to be overwritten is not durable";
  }
  return {};
}

// Rule 2, after a write to the log.
std::optional<std::string> breach_of_record(const sim::State& after, const Scene& scene,
                                            sim::HomeType home) {
  OperationsBench bench = found_after(
      after, scene.disk, [home](const sim::LoggedOp& op) { return is_of_log(op, home); });
  if (!bench.open()) return "with nothing but the record the store does not open";
  if (const auto whole = bench.all_verify(); !whole) {
    return std::string("it names what is not durable: ") + whole.message();
  }
  for (const auto& [number, bytes] : scene.snapshots) {
    if (!bench.exports_as(number, bytes)) {
      return "snapshot " + std::to_string(number) + " depends on what is not durable";
    }
  }
  return {};
}

bool has_intent(const sim::State& moment, const Scene& scene) {
  OperationsBench bench = found_after(moment, scene.disk, everything);
  return bench.open() && bench.view().intent.has_value();
}

// Rule 3, over a write to the log.
std::optional<std::string> breach_of_ending(const sim::State& before, const sim::State& after,
                                            const Scene& scene) {
  const bool unflushed = !before.at(*before.find(kDevice)).unflushed.empty();
  if (!unflushed || !has_intent(before, scene) || has_intent(after, scene)) return {};
  return "the intent goes while the device has unflushed writes";
}

}  // namespace

void trouble(OperationsBench& bench, std::uint64_t seed) {
  sim::RemoteNetwork* network = bench.home().network();
  if (network == nullptr) return;
  sim::Random random(seed);
  network->reseed(random.next());
  sim::NetworkChances chances;
  const std::uint64_t worst = random.below(3);
  if (worst == 0) chances.changes = {.unanswered = 6, .late = 8, .lost = 4};
  if (worst == 1) chances.writes = {.unanswered = 4, .late = 12, .lost = 4};
  chances.settle_lost = 40;
  chances.behind = 25;
  chances.late_arrives = 5;
  network->set_chances(chances);
  if (random.percent(60)) return;
  network->call_after(random.below(50), [&bench, what = random.below(3)] {
    bench.home().pool()->expire(bench.disk());
    const auto other = bench.another_process();
    if (!other) return;
    if (what == 0) (void)(*other)->hold_disk(bench.disk());
    if (what == 1) (void)(*other)->collect({});
    if (what == 2) (void)(*other)->resume(bench.disk(), kDevice, false, {});
  });
}

Recording record(const Workload& workload, const Scene& scene, std::uint64_t run, bool troubled) {
  OperationsBench bench(scene.env->crash(run + 1), scene.disk);
  EXPECT_TRUE(ok(bench.open()));
  bench.env().clear_log();
  bench.env().record_moments();
  const sim::HomeType home = bench.home().type();
  const bool meets_it = troubled && run != 0 && home == sim::HomeType::kRemote;
  if (meets_it) trouble(bench, run);
  Status done = workload.run(bench, scene);
  // The user tries again, perhaps while requests of the first time are still on their way.
  if (meets_it && !done) done = workload.run(bench, scene);
  if (meets_it && !done) {
    EXPECT_NE(done.error().code, Errc::kInternal) << done.error().to_string();
  } else {
    EXPECT_TRUE(ok(done));
  }
  return {bench.env().take_moments(), bench.env().log(), done.has_value(), home};
}

OrderFindings check_order(const Recording& recording, const Scene& scene) {
  OrderFindings findings;
  std::size_t moment = 0;
  for (const sim::LoggedOp& op : recording.log) {
    if (!sim::is_mutating(op.kind)) continue;
    const sim::State& before = recording.moments.at(moment);
    const sim::State& after = recording.moments.at(++moment);
    std::optional<std::string> breach;
    if (op.path == kDevice && writes_bytes(op)) {
      ++findings.looked_at;
      breach = breach_of_device_write(before, scene);
    } else if (is_of_log(op, recording.home)) {
      ++findings.looked_at;
      breach = breach_of_record(after, scene, recording.home);
      if (!breach) breach = breach_of_ending(before, after, scene);
    }
    if (breach) findings.breaches.push_back(to_string(op) + ": " + *breach);
  }
  return findings;
}

std::vector<std::string> retried_flushes(const std::vector<sim::LoggedOp>& log,
                                         sim::HomeType home) {
  std::vector<std::string> retried;
  std::set<std::string> failed;
  for (const sim::LoggedOp& op : log) {
    if (op.kind != sim::OpKind::kFlush && op.kind != sim::OpKind::kSyncDirectory) continue;
    if (home != sim::HomeType::kLocal && is_of_log(op, home)) continue;
    if (failed.contains(op.path)) retried.push_back(to_string(op) + " after one that failed");
    if (op.error != 0) failed.insert(op.path);
  }
  return retried;
}

}  // namespace blkrewind::test
