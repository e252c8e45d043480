// A clone that is made, and one that is forgotten: a power cut at every operation, and every
// operation that fails. Afterwards the clone exists and is whole, or nothing of it is left, and
// what it was made from is as it was.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "support/clone_bench.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kCloneStatesMax = 10;
constexpr std::uint64_t kLarger = 3 * kChunk;
constexpr const char* kCloneFile = "/images/clone.img";

// kGiveUp: into a new file, and cancelled while that is written.
enum class Work : std::uint8_t { kMake, kMakeFile, kGiveUp, kForget };

struct CloneScene {
  std::unique_ptr<sim::SimulatedEnv> env;
  Bytes content;  // of the snapshot
  Bytes former;   // of the target
  Bytes cloned;   // of the target, when it is the clone
  std::string path = kCloneDevice;
  bool goes = false;      // the workload forgets the clone
  bool gives_up = false;  // the workload removes the clone and its file again
};

// Two chunks, the last one short, on a device that is larger, or on a new file.
CloneScene prepare(Work work) {
  CloneScene scene;
  scene.goes = work == Work::kForget;
  scene.gives_up = work == Work::kGiveUp;
  scene.content = pattern(kChunk + 512, 1);
  OperationsBench bench(scene.content, kChunk);
  const SnapshotNumber number = bench.must_snapshot();
  EXPECT_EQ(number, 1U);
  scene.cloned = scene.content;
  if (work == Work::kMakeFile || scene.gives_up) {
    bench.env().add_directory("/images");
    scene.path = kCloneFile;
    scene.former = Bytes(scene.content.size());
  } else {
    scene.cloned.resize(kLarger);
    scene.former = Bytes(kLarger);
    put(scene.former, 0, pattern(2 * kChunk, 2));
    bench.env().add_device(kCloneDevice, kLarger, host::DeviceKind::kBlock);
    bench.env().poke(kCloneDevice, 0, scene.former);
  }
  if (scene.goes) {
    EXPECT_TRUE(ok(clone_to(bench, bench.key(number), kCloneDevice)));
  }
  bench.close();
  scene.env = bench.env().crash(1);
  return scene;
}

Status run(OperationsBench& bench, const CloneScene& scene) {
  if (scene.goes) {
    BLKREWIND_ASSIGN(const auto clone, bench.operations().disk(2));
    return clone ? forget_clone(bench, *clone) : fail(Errc::kInternal, "there is no clone");
  }
  const auto receipt = scene.gives_up ? cancelled_clone_to(bench, bench.key(1), scene.path)
                                      : clone_to(bench, bench.key(1), scene.path);
  if (scene.gives_up && receipt) return fail(Errc::kInternal, "it was not cancelled");
  if (scene.gives_up && receipt.error().message.ends_with("nothing is left")) return {};
  if (!receipt) return fail(receipt.error());
  return {};
}

// `backwards`: an interrupted clone is undone, otherwise resumed.
void check(OperationsBench& bench, const CloneScene& scene, bool done, bool backwards) {
  ASSERT_TRUE(ok(bench.open()));
  // As the next operation on each disk does; also a delete and an addition that was cut short.
  ASSERT_TRUE(ok(bench.operations().collect({})));
  ASSERT_TRUE(ok(bench.open()));
  EXPECT_TRUE(bench.exports_as(1, scene.content));
  EXPECT_TRUE(bench.all_verify());
  // A file that was not there before may be gone again, or empty.
  const bool there = *bench.env().exists(scene.path);
  const Bytes target = there ? bench.env().contents(scene.path) : Bytes();
  auto clone = only_clone(bench);
  if (done) {
    EXPECT_EQ(clone.has_value(), !scene.goes && !scene.gives_up);
    EXPECT_EQ(there, !scene.gives_up);
  }
  EXPECT_EQ(bench.view().holds.size(), clone.has_value() ? 1U : 0U);
  if (scene.goes) {
    EXPECT_TRUE(same(target, scene.cloned));
  } else if (!clone && (scene.path == kCloneDevice || !target.empty())) {
    EXPECT_TRUE(same(target, scene.former));
  }
  if (clone) {
    EXPECT_FALSE(bench.remove(1)) << "a clone needs it";
    if (!there) {
      // Its new file is removed first. It is forgotten as any disk whose device is gone.
      EXPECT_EQ(scene.path, kCloneFile);
      ASSERT_TRUE(ok(bench.operations().abandon_rollback(clone->disk.number)));
    } else if (clone->intent) {
      const bool back = backwards && clone->intent->undo != 0;
      ASSERT_TRUE(ok(bench.operations().resume(clone->disk.number, scene.path, back, {})));
      EXPECT_TRUE(same(bench.env().contents(scene.path), back ? scene.former : scene.cloned));
    } else if (!scene.goes) {
      // Before its rollback began, or after that had ended.
      EXPECT_TRUE(same(target, clone->disk.base_snapshot == 1 ? scene.cloned : scene.former));
      if (done) {
        EXPECT_EQ(clone->disk.base_snapshot, 1U);
      }
    }
    clone = only_clone(bench);
    ASSERT_TRUE(clone.has_value());
    for (const auto& snapshot : clone->snapshots) {
      EXPECT_TRUE(exports_as(bench, {clone->disk.number, snapshot.number},
                             snapshot.number == 1 ? scene.cloned : scene.former));
    }
    ASSERT_TRUE(ok(forget_clone(bench, *clone)));
  }
  EXPECT_TRUE(bench.view().holds.empty());
  EXPECT_TRUE(bench.exports_as(1, scene.content));
  EXPECT_TRUE(bench.empties());
}

class CloneCrash : public testing::TestWithParam<Work> {};

TEST_P(CloneCrash, PowerCutAtEveryOperation) {
  const CloneScene scene = prepare(GetParam());
  bool power_is_off = true;
  std::uint64_t cut = 0;
  for (; power_is_off && !HasFailure(); ++cut) {
    OperationsBench bench(scene.env->crash(1), 1);
    ASSERT_TRUE(ok(bench.open()));
    bench.env().set_crash_after(cut);
    const Status done = run(bench, scene);
    power_is_off = bench.env().power_is_off();
    if (!power_is_off) {
      ASSERT_TRUE(ok(done));
    }
    bench.close();
    bench.env().crash_states(
        kCloneStatesMax,
        [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
          SCOPED_TRACE("after mutation " + std::to_string(cut) + (done ? ", done" : "") + "; " +
                       what);
          auto twin = after->crash(1);
          OperationsBench rebooted(std::move(after), 1);
          check(rebooted, scene, done.has_value(), false);
          OperationsBench again(std::move(twin), 1);
          check(again, scene, done.has_value(), true);
          return !HasFailure();
        },
        {.seed = cut + 1});
  }
  std::cout << "cut at " << cut << " moments\n";
  EXPECT_GT(cut, 10U);
}

TEST_P(CloneCrash, EveryOperationFails) {
  const CloneScene scene = prepare(GetParam());
  const sim::Fault faults[] = {
      {.kinds = {sim::OpKind::kWrite}, .error = EIO},
      {.kinds = {sim::OpKind::kWrite}, .from_then_on = true, .error = ENOSPC},
      {.kinds = {sim::OpKind::kRead}, .error = EIO},
      {.kinds = {sim::OpKind::kFlush}, .error = EIO},
      {.kinds = {sim::OpKind::kSyncDirectory}, .error = EIO},
      {.kinds = {sim::OpKind::kFlush, sim::OpKind::kSyncDirectory},
       .from_then_on = true,
       .error = EIO},
  };
  int disks_left = 0;
  for (const sim::Fault& fault : faults) {
    bool reached = true;
    for (std::uint64_t nth = 1; reached && !HasFailure(); ++nth) {
      SCOPED_TRACE(std::to_string(&fault - faults) + " at operation " + std::to_string(nth));
      OperationsBench bench(scene.env->crash(1), 1);
      ASSERT_TRUE(ok(bench.open()));
      sim::Fault this_one = fault;
      this_one.nth = nth;
      bench.env().inject(this_one);
      const Status done = run(bench, scene);
      reached = bench.env().fault_hits() != 0;
      if (!done) {
        EXPECT_NE(done.error().code, Errc::kInternal) << done.error().to_string();
      }
      bench.close();
      bench.env().clear_faults();
      ASSERT_TRUE(ok(bench.open()));
      if (!done && only_clone(bench) && !*bench.env().exists(scene.path)) {
        EXPECT_NE(done.error().remedy.to_string().find("forget the disk"), std::string::npos)
            << done.error().to_string();
        ++disks_left;
      }
      check(bench, scene, done.has_value(), nth % 2 == 0);
    }
  }
  EXPECT_EQ(disks_left > 0, scene.path == kCloneFile);
}

INSTANTIATE_TEST_SUITE_P(Operations, CloneCrash,
                         testing::Values(Work::kMake, Work::kMakeFile, Work::kGiveUp,
                                         Work::kForget),
                         [](const auto& work) {
                           return work.param == Work::kMake       ? "Make"
                                  : work.param == Work::kMakeFile ? "MakeFile"
                                  : work.param == Work::kGiveUp   ? "GiveUp"
                                                                  : "Forget";
                         });

}  // namespace
}  // namespace blkrewind::test
