// Accepted rollbacks and power cuts: what the journal says of one is true of the device, whatever
// operation the power goes at.
#include <atomic>
#include <functional>
#include <iostream>
#include <utility>

#include "control/engine_internal.h"
#include "support/errors.h"
#include "support/operations_bench.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kBytes = 8 * kChunk;
constexpr std::uint64_t kStatesMax = 12;
constexpr const char* kAccepted = "R-1";

Engine open_on(sim::SimulatedEnv& env) {
  OpenOptions options;
  options.store = kStore;
  options.create = true;
  options.threads = 1;
  auto engine = EngineAccess::open(env, options, ":memory:");
  if (!engine) throw std::runtime_error(engine.error().to_string());
  return std::move(*engine);
}

struct Case {
  std::string name;
  // What has happened and is durable, and what the power goes at.
  std::function<void(Engine&)> before;
  std::function<void(Engine&)> run;
  bool corrupt = false;  // the wanted snapshot: the rollback fails, and the device is put back
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

void accept_and_run(Engine& engine) {
  auto task = engine.accept_rollback(kDevice, "wanted", {.request_id = kAccepted});
  if (task) (void)task->run();
}
void only_accept(Engine& engine) {
  EXPECT_TRUE(ok(engine.accept_rollback(kDevice, "wanted", {.request_id = kAccepted})));
}

class AcceptedCrash : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    sim::SimulatedEnv machine;
    machine.add_device(kDevice, kBytes, host::DeviceKind::kBlock);
    machine.poke(kDevice, 0, wanted_);
    {
      Engine engine = open_on(machine);
      SnapshotOptions options;
      options.name = "wanted";
      ASSERT_TRUE(ok(engine.snapshot(kDevice, options)));
      machine.poke(kDevice, kChunk, Bytes(3 * kChunk, std::byte{7}));
      changed_ = machine.contents(kDevice);
      if (GetParam().before) GetParam().before(engine);
    }
    if (GetParam().corrupt) spoil(machine);
    start_ = machine.crash(1);
  }

  void spoil(sim::SimulatedEnv& machine) {
    const std::string folder = std::string(kStore) + "/disks/1/segments/";
    const auto names = machine.list_directory(folder);
    ASSERT_TRUE(ok(names));
    for (const std::string& name : *names) {
      const Bytes bytes = machine.contents(folder + name);
      const auto from = wanted_.begin() + 2 * kChunk;
      const auto found = std::search(bytes.begin(), bytes.end(), from, from + 512);
      if (found == bytes.end()) continue;
      machine.rot_bit(folder + name, static_cast<std::uint64_t>(found - bytes.begin()), 3);
      return;
    }
    ADD_FAILURE() << "the chunk is not in the store";
  }

  // What is said of the reset holds; then it is taken up, and has ended.
  void check(sim::SimulatedEnv& env) {
    Engine engine = open_on(env);
    const auto look = [&] { return EngineAccess::operations(engine).disks()->front(); };
    const DiskView view = look();
    const bool finished = view.disk.last_rollback.request_id == kAccepted && !view.intent;
    const Bytes device = env.contents(kDevice);
    if (!view.reset) {
      EXPECT_TRUE(same(device, changed_));
      EXPECT_FALSE(view.intent);
      return;
    }
    const ResetState state = view.reset->state;
    EXPECT_EQ(view.reset->request_id, kAccepted);
    EXPECT_EQ(view.reset->finished_at == 0, state == ResetState::kAccepted);
    EXPECT_EQ(view.reset->error_code.empty(), state != ResetState::kFailed);
    EXPECT_TRUE(!finished || state == ResetState::kDone);
    if (state == ResetState::kDone) {
      EXPECT_FALSE(view.intent);
      EXPECT_TRUE(same(device, wanted_));
    }
    if (state == ResetState::kAccepted && !view.intent) {
      EXPECT_TRUE(same(device, changed_));
    }
    if (GetParam().corrupt && state == ResetState::kFailed) {
      EXPECT_FALSE(view.intent);
      EXPECT_TRUE(same(device, changed_));
    }
    auto tasks = engine.unfinished_rollbacks();
    ASSERT_TRUE(ok(tasks));
    ASSERT_EQ(tasks->size(), state == ResetState::kAccepted ? 1U : 0U);
    if (tasks->empty()) return;
    const auto done = tasks->front().run();
    const DiskView after = look();
    EXPECT_EQ(after.reset->state, done ? ResetState::kDone : ResetState::kFailed);
    EXPECT_FALSE(after.intent);
    EXPECT_EQ(done.has_value(), !GetParam().corrupt);
    EXPECT_TRUE(same(env.contents(kDevice), done ? wanted_ : changed_));
    EXPECT_TRUE(engine.unfinished_rollbacks()->empty());
  }

  const Bytes wanted_ = pattern(kBytes, 1);
  Bytes changed_;
  std::unique_ptr<sim::SimulatedEnv> start_;
};

TEST_P(AcceptedCrash, WhatTheJournalSaysIsTrueOfTheDevice) {
  std::uint64_t states = 0;
  std::uint64_t cut = 0;
  for (bool power_is_off = true; power_is_off && !HasFailure(); ++cut) {
    const auto env = start_->crash(1);
    env->set_crash_after(cut);
    {
      Engine engine = open_on(*env);
      GetParam().run(engine);
    }
    power_is_off = env->power_is_off();
    states +=
        env->crash_states(kStatesMax,
                          [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
                            SCOPED_TRACE("after mutation " + std::to_string(cut) + "; " + what);
                            check(*after);
                            return !HasFailure();
                          },
                          {.seed = cut + 1})
            .visited;
  }
  std::cout << "cut at " << cut << " moments, looked at " << states << " states\n";
  EXPECT_GT(cut, 4U);
}

// Ends while it writes to the device: its intent is in the journal.
void interrupt(Engine& engine) {
  std::atomic<bool> cancel = false;
  Monitor monitor;
  monitor.cancel = &cancel;
  monitor.progress = [&](const Progress& progress) {
    cancel = std::string_view(progress.phase) == "restore";
  };
  auto task = engine.accept_rollback(kDevice, "wanted", {.request_id = kAccepted});
  ASSERT_TRUE(ok(task));
  ASSERT_TRUE(failed(task->run(monitor), Errc::kCancelled));
  ASSERT_TRUE(engine.disk(kDevice)->pending_rollback);
}

const Case kCases[] = {
    {"Runs", {}, accept_and_run},
    {"TakenUp", only_accept,
     [](Engine& engine) {
       auto tasks = engine.unfinished_rollbacks();
       if (tasks && !tasks->empty()) (void)tasks->front().run();
     }},
    {"Resumed", interrupt,
     [](Engine& engine) {
       auto tasks = engine.unfinished_rollbacks();
       if (tasks && !tasks->empty()) (void)tasks->front().run();
     }},
    {"ResumedByACommand", interrupt, [](Engine& engine) { (void)engine.resume(kDevice); }},
    {"PutBack", {}, accept_and_run, true},
    // The command has another request id: the reset has failed with the command's first record.
    {"Replaced", only_accept, [](Engine& engine) { (void)engine.rollback(kDevice, "wanted", {}); }},
};

INSTANTIATE_TEST_SUITE_P(Control, AcceptedCrash, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace blkrewind::test
