// The notes and the token of a snapshot, and power cuts: they are there exactly while it is.
#include "control/engine_internal.h"
#include "support/errors.h"
#include "support/operations_bench.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

Engine open_noted(sim::SimulatedEnv& env) {
  OpenOptions options;
  options.store = kStore;
  options.create = true;
  options.threads = 1;
  auto engine = EngineAccess::open(env, options, ":memory:");
  if (!engine) throw std::runtime_error(engine.error().to_string());
  return std::move(*engine);
}

SnapshotNotes notes() {
  SnapshotNotes given;
  given.retention_days = 7;
  given.tags = {{"app", "db"}};
  given.client_token = "once";
  return given;
}

void take_and_delete(Engine& engine, const std::string& disk) {
  auto task = engine.accept_snapshot(disk, {}, notes());
  if (!task) return;
  const std::string id = task->snapshot_id();
  if (task->run()) (void)engine.remove_snapshot(id);
}

TEST(NotesCrash, TheyAreThereExactlyWhileTheSnapshotIs) {
  sim::SimulatedEnv machine;
  machine.add_device(kDevice, 8 * kChunk, host::DeviceKind::kBlock);
  machine.poke(kDevice, 0, pattern(8 * kChunk, 1));
  const auto disk = open_noted(machine).register_disk(kDevice);
  ASSERT_TRUE(ok(disk));
  const auto start = machine.crash(1);
  std::uint64_t with_notes = 0;
  std::uint64_t without = 0;
  const auto check = [&](sim::SimulatedEnv& env) {
    Engine engine = open_noted(env);
    const DiskView view = EngineAccess::operations(engine).disks()->front();
    ASSERT_LE(view.snapshots.size(), 1U);
    ++(view.snapshots.empty() ? without : with_notes);
    ASSERT_EQ(view.notes.size(), view.snapshots.size());
    auto again = engine.accept_snapshot(disk->id, {}, notes());
    ASSERT_TRUE(ok(again));
    EXPECT_EQ(again->is_repeated(), !view.snapshots.empty());
    if (view.snapshots.empty()) return;
    EXPECT_EQ(again->snapshot_id(), view.snapshots.front().id);
    const SnapshotInfo info = engine.snapshots()->front();
    EXPECT_EQ(info.retention_days, 7U);
    EXPECT_EQ(info.tags, notes().tags);
  };
  bool power_is_off = true;
  for (std::uint64_t cut = 0; power_is_off && !testing::Test::HasFailure(); ++cut) {
    const auto env = start->crash(1);
    env->set_crash_after(cut);
    {
      Engine engine = open_noted(*env);
      take_and_delete(engine, disk->id);
    }
    power_is_off = env->power_is_off();
    env->crash_states(12,
                      [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
                        SCOPED_TRACE("after mutation " + std::to_string(cut) + "; " + what);
                        check(*after);
                        return !testing::Test::HasFailure();
                      },
                      {.seed = cut + 1});
  }
  EXPECT_GT(with_notes, 10U);
  EXPECT_GT(without, 10U);
}

}  // namespace
}  // namespace blkrewind::test
