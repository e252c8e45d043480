// Several threads on one Engine, and several Engines on one store: the promises of engine.h.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "blkrewind/engine.h"
#include "control/engine_internal.h"
#include "support/concurrency_bench.h"
#include "support/errors.h"
#include "support/results.h"
#include "support/simulated_home.h"

namespace blkrewind::test {
namespace {

using End = UserAnswer::End;

// Cancels an operation at the end of a phase, if requested. A rollback writes to the device after
// its "verify", or, if that is not needed, after its "scan".
class Canceller {
 public:
  Canceller(bool wanted, const char* phase) {
    if (!wanted) return;
    monitor_.cancel = &flag_;
    monitor_.progress = [this, phase](const Progress& progress) {
      if (std::string(progress.phase) == phase && progress.done_bytes == progress.total_bytes) {
        flag_ = true;
      }
    };
  }
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;
  [[nodiscard]] const Monitor& monitor() const { return monitor_; }

 private:
  std::atomic<bool> flag_{false};
  Monitor monitor_;
};

template <class T>
UserAnswer ended(const Result<T>& result) {
  UserAnswer answer;
  if (result) {
    answer.end = End::kDone;
    return answer;
  }
  const Error& error = result.error();
  answer.text = api_of(error) + " " + error.to_string() + "; " + words_of(error);
  answer.not_found = error.code == Errc::kNotFound;
  static const std::set<std::string> kRules = {
      "",  // nothing to undo or to resume
      "InvalidOperation.DiskResetInProgress", "IncorrectDiskStatus.HasUnfinishedSnapshot",
      "InvalidSnapshotId.NotFound", "InvalidSnapshotId.NotReady"};
  if (error.code == Errc::kCancelled) {
    answer.end = End::kUncertain;
  } else if (error.code == Errc::kBusy || error.code == Errc::kNotFound ||
             error.code == Errc::kAlreadyExists ||
             (error.code == Errc::kPrecondition && kRules.contains(api_of(error)))) {
    answer.end = End::kRefused;
  }
  return answer;
}

UserAnswer ended(const Result<SnapshotReceipt>& result) {
  UserAnswer answer = ended<SnapshotReceipt>(result);
  if (!result) return answer;
  answer.snapshot_id = result->snapshot_id;
  answer.content = result->root_digest;
  return answer;
}

UserAnswer ended(const Result<RollbackReceipt>& result) {
  UserAnswer answer = ended<RollbackReceipt>(result);
  if (!result) return answer;
  answer.snapshot_id = result->snapshot_id;
  answer.content = result->root_digest;
  answer.undo_id = result->undo_snapshot_id.value_or("");
  answer.of_plan = result->ended_interrupted;
  return answer;
}

class EngineUser : public StoreUser {
 public:
  explicit EngineUser(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

  UserAnswer snapshot(const std::string& path, const std::string& name, std::uint32_t chunk_bytes,
                      bool) override {
    SnapshotOptions options;
    options.name = name;
    options.chunk_bytes = chunk_bytes;
    return ended(engine_->snapshot(path, options));
  }
  UserAnswer rollback(const std::string& path, const std::string& snapshot, bool with_undo,
                      bool interrupt) override {
    const Canceller canceller(interrupt, next_phase());
    return ended(engine_->rollback(path, snapshot, {.dry_run = false, .undo = with_undo},
                                   canceller.monitor()));
  }
  UserAnswer undo(const std::string& path, bool interrupt) override {
    const Canceller canceller(interrupt, next_phase());
    return ended(engine_->undo(path, canceller.monitor()));
  }
  UserAnswer resume(const std::string& path, bool interrupt) override {
    const Canceller canceller(interrupt, "scan");
    return ended(engine_->resume(path, canceller.monitor()));
  }
  UserAnswer remove(const std::string& snapshot, bool) override {
    return ended(engine_->remove_snapshot(snapshot));
  }
  UserAnswer export_image(const std::string& snapshot, const std::string& file) override {
    const auto receipt = engine_->export_image(snapshot, file);
    UserAnswer answer = ended(receipt);
    if (receipt) answer.content = receipt->root_digest;
    return answer;
  }
  UserAnswer verify() override {
    const auto receipt = engine_->verify({});
    UserAnswer answer = ended(receipt);
    if (receipt && !(receipt->damaged.empty() && receipt->findings.empty())) {
      answer.end = End::kFailed;
      answer.text = testing::PrintToString(receipt->findings);
    }
    return answer;
  }
  UserAnswer collect(bool) override { return ended(engine_->collect()); }
  UserAnswer list_all() override {
    if (const auto all = engine_->snapshots(); !all) return ended(all);
    if (const auto all = engine_->instances(); !all) return ended(all);
    if (const auto info = engine_->store_info(); !info) return ended(info);
    return ended(engine_->disks());
  }
  ListedDisk list(const std::string& path) override {
    const auto disk = engine_->disk(path);
    if (!disk) throw std::runtime_error(disk.error().to_string());
    const auto snapshots = engine_->snapshots(disk->id);
    if (!snapshots) throw std::runtime_error(snapshots.error().to_string());
    ListedDisk listed;
    if (disk->pending_rollback) listed.pending_target = disk->pending_rollback->snapshot_id;
    listed.undo_id = disk->undo_snapshot_id;
    for (const SnapshotInfo& snapshot : *snapshots) {
      listed.snapshots.push_back({snapshot.id, snapshot.name, snapshot.root_digest,
                                  snapshot.status == SnapshotStatus::kAccomplished,
                                  snapshot.kind == SnapshotKind::kUndo});
    }
    return listed;
  }
  std::uint64_t left_over() override {
    const auto info = engine_->store_info();
    if (!info) throw std::runtime_error(info.error().to_string());
    return info->snapshots + info->segments + info->live_bytes + info->allocated_bytes;
  }

 private:
  const char* next_phase() { return ++interruptions_ % 3 == 0 ? "scan" : "verify"; }

  std::shared_ptr<Engine> engine_;
  int interruptions_ = 0;
};

std::shared_ptr<Engine> opened_engine(const std::string& store) {
  OpenOptions options;
  options.store = store;
  options.create = true;
  options.threads = 1;
#ifdef __SANITIZE_THREAD__
  // Rings are mapped and unmapped by system calls that the sanitizer does not see: it would report
  // a race if one thread's ring is mapped where another's was.
  options.allow_io_uring = false;
#endif
  auto engine = Engine::open(options);
  if (!engine) throw std::runtime_error(engine.error().to_string());
  return std::make_shared<Engine>(std::move(*engine));
}

class SimulatedFiles final : public BenchFiles {
 public:
  explicit SimulatedFiles(sim::SimulatedEnv& machine) : machine_(machine) {}
  void make(const std::string& path, const std::string& bytes) override {
    machine_.add_device(path, bytes.size());
    write(path, 0, bytes);
  }
  std::string read(const std::string& path) override {
    const auto bytes = machine_.contents(path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void write(const std::string& path, std::uint64_t offset, const std::string& bytes) override {
    machine_.poke(path, offset, std::as_bytes(std::span(bytes)));
  }
  void remove(const std::string& path) override { EXPECT_TRUE(ok(machine_.remove(path))); }

 private:
  sim::SimulatedEnv& machine_;
};

// Engines on a store in a pool, each a client of its own.
class ConcurrencyInPool : public testing::TestWithParam<sim::HomeType> {};

TEST_P(ConcurrencyInPool, SeveralEnginesOnOneStore) {
  sim::SimulatedEnv machine;
  const sim::SimulatedHome home(machine, GetParam());
  // No answer to many appends: each client has to find out what became of its own.
  if (home.network() != nullptr) home.network()->set_chances({.changes = {.unanswered = 20}});
  ConcurrencyBench bench(
      [&](const std::string&) {
        auto engine = EngineAccess::open(machine, {.store = home.folder(), .threads = 1},
                                         ":memory:", nullptr, home.open());
        if (!engine) throw std::runtime_error(engine.error().to_string());
        return std::make_unique<EngineUser>(std::make_shared<Engine>(std::move(*engine)));
      },
      5, std::make_unique<SimulatedFiles>(machine));
  bench.run({.seed = 4});
}

INSTANTIATE_TEST_SUITE_P(Homes, ConcurrencyInPool,
                         testing::Values(sim::HomeType::kMemory, sim::HomeType::kRemote),
                         [](const auto& home) {
                           return home.param == sim::HomeType::kMemory ? "Memory" : "Remote";
                         });

TEST(Concurrency, SeveralThreadsOnOneEngine) {
  std::shared_ptr<Engine> engine;
  ConcurrencyBench bench(
      [&](const std::string& store) {
        if (!engine) engine = opened_engine(store);
        return std::make_unique<EngineUser>(engine);
      },
      5);
  bench.run({.seed = 1});
}

TEST(Concurrency, SeveralEnginesOnOneStore) {
  ConcurrencyBench bench(
      [](const std::string& store) { return std::make_unique<EngineUser>(opened_engine(store)); },
      5);
  bench.run({.seed = 2});
}

TEST(Concurrency, SeveralThreadsOnSeveralEngines) {
  std::vector<std::shared_ptr<Engine>> engines;
  std::size_t next = 0;
  ConcurrencyBench bench(
      [&](const std::string& store) {
        if (engines.size() < 2) engines.push_back(opened_engine(store));
        return std::make_unique<EngineUser>(engines[next++ % engines.size()]);
      },
      6);
  bench.run({.seed = 3});
}

}  // namespace
}  // namespace blkrewind::test
