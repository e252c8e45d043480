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

bool is_of_journal(const sim::LoggedOp& op) {
  return op.path.starts_with(std::string(kStore) + "/disks/1/log");
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

// Rule 2, after a write to the journal.
std::optional<std::string> breach_of_record(const sim::State& after, const Scene& scene) {
  OperationsBench bench = found_after(after, scene.disk, is_of_journal);
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

// Rule 3, over a write to the journal.
std::optional<std::string> breach_of_ending(const sim::State& before, const sim::State& after,
                                            const Scene& scene) {
  const bool unflushed = !before.at(*before.find(kDevice)).unflushed.empty();
  if (!unflushed || !has_intent(before, scene) || has_intent(after, scene)) return {};
  return "the intent goes while the device has unflushed writes";
}

}  // namespace

Recording record(const Workload& workload, const Scene& scene, std::uint64_t run) {
  OperationsBench bench(scene.env->crash(run + 1), scene.disk);
  EXPECT_TRUE(ok(bench.open()));
  bench.env().clear_log();
  bench.env().record_moments();
  const Status done = workload.run(bench, scene);
  EXPECT_TRUE(ok(done));
  return {bench.env().take_moments(), bench.env().log(), done.has_value()};
}

OrderFindings check_order(const Recording& recording, const Scene& scene) {
  OrderFindings findings;
  std::size_t moment = 0;
  for (const sim::LoggedOp& op : recording.log) {
    if (!sim::is_mutating(op.kind)) continue;
    const sim::State& before = recording.moments.at(moment);
    const sim::State& after = recording.moments.at(++moment);
    if (!writes_bytes(op)) continue;
    std::optional<std::string> breach;
    if (op.path == kDevice) {
      ++findings.looked_at;
      breach = breach_of_device_write(before, scene);
    } else if (is_of_journal(op)) {
      ++findings.looked_at;
      breach = breach_of_record(after, scene);
      if (!breach) breach = breach_of_ending(before, after, scene);
    }
    if (breach) findings.breaches.push_back(to_string(op) + ": " + *breach);
  }
  return findings;
}

std::vector<std::string> retried_flushes(const std::vector<sim::LoggedOp>& log) {
  std::vector<std::string> retried;
  std::set<std::string> failed;
  for (const sim::LoggedOp& op : log) {
    if (op.kind != sim::OpKind::kFlush && op.kind != sim::OpKind::kSyncDirectory) continue;
    if (failed.contains(op.path)) retried.push_back(to_string(op) + " after one that failed");
    if (op.error != 0) failed.insert(op.path);
  }
  return retried;
}

}  // namespace blkrewind::test
