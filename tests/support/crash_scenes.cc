#include "support/crash_scenes.h"

#include <gtest/gtest.h>

#include <utility>

#include "format/geometry.h"
#include "format/segment_header.h"
#include "support/errors.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kChunks = 8;
constexpr std::uint64_t kSegmentHeader = format::kSegmentHeaderBytes;

// Chunk 0 never differs, 1 and 2 have different bytes each time, 3 is zero at first, 4 becomes
// zero, 5 is restored in the end, 6 changes late, 7 is always zero.
Bytes content(unsigned version) {
  Bytes bytes(kChunks * kChunk);
  put(bytes, 0, pattern(kChunk, 100));
  put(bytes, kChunk, pattern(2 * kChunk, 200 + version));
  if (version > 0) put(bytes, 3 * kChunk, pattern(kChunk, 300));
  if (version == 0) put(bytes, 4 * kChunk, pattern(kChunk, 400));
  put(bytes, 5 * kChunk, pattern(kChunk, version == 1 ? 501 : 500));
  put(bytes, 6 * kChunk, pattern(kChunk, version < 2 ? 600 : 602));
  return bytes;
}

// A power cut that does not affect the device: the machine as a value.
std::unique_ptr<sim::SimulatedEnv> settled(OperationsBench& bench) {
  bench.close();
  return bench.env().crash(1);
}

// Snapshots of versions 0 to `count` - 1; the device holds version `count`.
struct Prepared {
  OperationsBench bench;
  Scene scene;
  std::vector<SnapshotNumber> numbers;
};

OperationsBench fresh(const Bytes& bytes, sim::HomeType home) {
  return {bytes, kChunk, host::DeviceKind::kBlock, home};
}

Prepared with_snapshots(unsigned count, sim::HomeType home) {
  Prepared prepared{fresh(content(0), home), {}, {}};
  for (unsigned version = 0; version < count; ++version) {
    const SnapshotNumber number = prepared.bench.must_snapshot();
    prepared.numbers.push_back(number);
    prepared.scene.snapshots[number] = content(version);
    prepared.bench.write(0, content(version + 1));
  }
  prepared.scene.disk = prepared.bench.disk();
  prepared.scene.before = prepared.scene.target = content(count);
  return prepared;
}

Scene to_snapshot(unsigned count, sim::HomeType home) {
  Prepared prepared = with_snapshots(count, home);
  prepared.scene.takes_snapshot = true;
  prepared.scene.env = settled(prepared.bench);
  return std::move(prepared.scene);
}

Scene to_roll_back(sim::HomeType home) {
  Prepared prepared = with_snapshots(2, home);
  prepared.scene.target = content(0);
  prepared.scene.target_number = prepared.numbers[0];
  prepared.scene.env = settled(prepared.bench);
  return std::move(prepared.scene);
}

Scene to_undo(sim::HomeType home) {
  Prepared prepared = with_snapshots(2, home);
  EXPECT_TRUE(ok(prepared.bench.rollback(prepared.numbers[0])));
  Scene& scene = prepared.scene;
  scene.target = content(2);
  scene.before = content(0);
  scene.target_number = prepared.bench.view().disk.last_rollback.undo;
  scene.snapshots[scene.target_number] = content(2);
  scene.env = settled(prepared.bench);
  return std::move(scene);
}

// A rollback interrupted by a power cut when the device was neither as before nor at its target.
Scene to_resume(bool undo, sim::HomeType home) {
  for (std::uint64_t cut = 1;; ++cut) {
    Scene scene = to_roll_back(home);
    OperationsBench bench(std::move(scene.env), scene.disk);
    EXPECT_TRUE(ok(bench.open()));
    bench.env().set_crash_after(cut);
    if (bench.rollback(scene.target_number, undo)) {
      ADD_FAILURE() << "no power cut leaves the device between its states";
      return scene;
    }
    bench.close();
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
      OperationsBench after(bench.env().crash(seed), scene.disk);
      const Bytes device = after.device();
      if (device == scene.before || device == scene.target) continue;
      EXPECT_TRUE(ok(after.open()));
      const auto intent = after.view().intent;
      EXPECT_TRUE(intent.has_value());
      if (undo && intent) scene.snapshots[intent->undo] = scene.before;
      scene.env = settled(after);
      return scene;
    }
  }
}

Scene to_delete(std::size_t which, sim::HomeType home) {
  Prepared prepared = with_snapshots(3, home);
  // A junction in the lineage: the rollback's undo snapshot and a later one also share with the
  // first.
  EXPECT_TRUE(ok(prepared.bench.rollback(prepared.numbers[0])));
  const SnapshotNumber undo = prepared.bench.view().disk.last_rollback.undo;
  prepared.scene.snapshots[undo] = content(3);
  prepared.scene.before = prepared.scene.target = content(0);
  prepared.scene.going = prepared.numbers[which];
  prepared.scene.going_bytes = content(static_cast<unsigned>(which));
  prepared.scene.snapshots.erase(prepared.scene.going);
  prepared.scene.env = settled(prepared.bench);
  return std::move(prepared.scene);
}

// A tree of two levels, of which the remaining snapshot needs one leaf: chunks, leaves and roots
// are freed one after another, and none of them as a whole segment.
Scene to_delete_in_part(sim::HomeType home) {
  const auto wide = [](unsigned version) {
    Bytes bytes((format::kFanout + 2) * kChunk);
    put(bytes, 0, pattern(kChunk, 700));
    put(bytes, kChunk, pattern(2 * kChunk, 710 + version));
    put(bytes, format::kFanout * kChunk, pattern(2 * kChunk, 720));
    return bytes;
  };
  OperationsBench bench = fresh(wide(0), home);
  Scene scene;
  scene.disk = bench.disk();
  scene.going = bench.must_snapshot();
  scene.going_bytes = wide(0);
  bench.write(0, wide(1));
  scene.snapshots[bench.must_snapshot()] = wide(1);
  scene.before = scene.target = wide(1);
  scene.env = settled(bench);
  return scene;
}

// Work for collect(): an orphan, a deleted snapshot, records to compact.
Scene to_collect(sim::HomeType home) {
  Prepared prepared = with_snapshots(3, home);
  EXPECT_TRUE(ok(prepared.bench.remove(prepared.numbers[1])));
  prepared.scene.snapshots.erase(prepared.numbers[1]);
  prepared.bench.env().add_device(prepared.bench.home().segments(1) + "/999", 3 * kChunk);
  prepared.scene.env = settled(prepared.bench);
  return std::move(prepared.scene);
}

template <class T>
Status status(Result<T> result) {
  if (!result) return fail(std::move(result).error());
  return {};
}

}  // namespace

std::vector<Workload> workloads() {
  const auto take = [](OperationsBench& bench, const Scene&) { return status(bench.snapshot()); };
  const auto roll = [](bool undo) {
    return [undo](OperationsBench& bench, const Scene& scene) {
      return status(bench.rollback(scene.target_number, undo));
    };
  };
  const auto go_on = [](bool backwards) {
    return [backwards](OperationsBench& bench, const Scene&) {
      return status(bench.resume(backwards));
    };
  };
  const auto remove = [](OperationsBench& bench, const Scene& scene) {
    return status(bench.remove(scene.going));
  };
  return {
      {"FirstSnapshot", [](auto home) { return to_snapshot(0, home); }, take},
      {"NextSnapshot", [](auto home) { return to_snapshot(1, home); }, take},
      {"Rollback", to_roll_back, roll(true)},
      {"RollbackWithoutUndo", to_roll_back, roll(false)},
      {"Undo", to_undo, [](OperationsBench& bench, const Scene&) { return status(bench.undo()); }},
      {"Resume", [](auto home) { return to_resume(true, home); }, go_on(false)},
      {"ResumeWithoutUndo", [](auto home) { return to_resume(false, home); }, go_on(false)},
      {"ResumeBackwards",
       [](auto home) {
         Scene scene = to_resume(true, home);
         scene.ends_at_before = true;
         return scene;
       },
       go_on(true)},
      {"DeleteFirst", [](auto home) { return to_delete(0, home); }, remove},
      {"DeleteMiddle", [](auto home) { return to_delete(1, home); }, remove},
      {"DeleteInPart", to_delete_in_part, remove},
      {"Collect", to_collect,
       [](OperationsBench& bench, const Scene&) { return status(bench.operations().collect({})); }},
  };
}

namespace {

void check_device(OperationsBench& bench, const Scene& scene, bool acknowledged, bool backwards) {
  const Bytes device = bench.device();
  ASSERT_EQ(device.size(), scene.before.size());
  for (std::size_t i = 0; i < device.size(); ++i) {
    ASSERT_TRUE(device[i] == scene.before[i] || device[i] == scene.target[i])
        << "offset " << i << " is neither as before nor as planned";
  }
  const DiskView view = bench.view();
  const bool finished =
      scene.target_number != 0 && view.disk.last_rollback.target == scene.target_number;
  if (!view.intent) {
    EXPECT_TRUE(same(device, finished ? scene.target : scene.before));
    // A rollback without changes leaves no record.
    if (acknowledged && scene.target_number != 0 && scene.before != scene.target) {
      EXPECT_EQ(finished, !scene.ends_at_before);
    }
    return;
  }
  EXPECT_FALSE(acknowledged) << "a rollback that succeeded is still pending";
  EXPECT_EQ(view.intent->target, scene.target_number);
  const auto refused = bench.snapshot();
  ASSERT_TRUE(failed(refused, Errc::kPrecondition));
  EXPECT_EQ(api_of(refused.error()), "InvalidOperation.DiskResetInProgress");
  const bool back = backwards && view.intent->undo != 0;
  ASSERT_TRUE(ok(bench.resume(back)));
  EXPECT_TRUE(same(bench.device(), back ? scene.before : scene.target));
  EXPECT_FALSE(bench.view().intent.has_value());
}

}  // namespace

namespace {

std::map<SnapshotNumber, Digest> root_digests(OperationsBench& bench) {
  std::map<SnapshotNumber, Digest> digests;
  for (const auto& snapshot : bench.view().snapshots) {
    if (snapshot.state == format::SnapshotState::kAccomplished) {
      digests[snapshot.number] = snapshot.root_digest;
    }
  }
  return digests;
}

}  // namespace

void check(OperationsBench& bench, const Scene& scene, bool acknowledged, bool backwards,
           Known& known, bool by_digest) {
  ASSERT_TRUE(ok(bench.open()));
  bench.take_over();
  ASSERT_NO_FATAL_FAILURE(check_device(bench, scene, acknowledged, backwards));
  known.device = bench.device();

  std::size_t more = 0;
  known.snapshots = scene.snapshots;
  for (const auto& snapshot : bench.view().snapshots) {
    if (snapshot.state != format::SnapshotState::kAccomplished) continue;
    if (scene.snapshots.contains(snapshot.number)) continue;
    if (snapshot.number == scene.going) {
      EXPECT_FALSE(acknowledged) << "the snapshot that was deleted is still there";
      known.snapshots[snapshot.number] = scene.going_bytes;
      continue;
    }
    // Taken by the workload, of the device as it was.
    known.snapshots[snapshot.number] = scene.before;
    ++more;
  }
  if (acknowledged && scene.takes_snapshot) {
    EXPECT_EQ(more, 1U);
  }
  EXPECT_LE(more, 1U);
  for (const auto& [number, bytes] : known.snapshots) {
    const auto digest = scene.digests.find(number);
    if (!by_digest || digest == scene.digests.end()) {
      EXPECT_TRUE(bench.exports_as(number, bytes)) << "snapshot " << number;
    } else {
      EXPECT_EQ(root_digests(bench)[number], digest->second) << "snapshot " << number;
    }
  }
  EXPECT_TRUE(bench.all_verify());
}

void learn_digests(Scene& scene) {
  OperationsBench bench(scene.env->crash(1), scene.disk);
  ASSERT_TRUE(ok(bench.open()));
  scene.digests = root_digests(bench);
}

void check_state(std::unique_ptr<sim::SimulatedEnv> after, const Scene& scene, bool acknowledged,
                 Afterwards afterwards) {
  const auto check_store = [&](OperationsBench& bench) {
    afterwards == Afterwards::kUseStore ? check_usable(bench) : check_no_leak(bench);
  };
  const bool by_digest = afterwards == Afterwards::kReclaim;
  auto twin = after->crash(1);
  OperationsBench bench(std::move(after), scene.disk);
  ASSERT_TRUE(ok(bench.open()));
  bench.take_over();
  const auto intent = bench.view().intent;
  Known known;
  check(bench, scene, acknowledged, false, known, by_digest);
  if (testing::Test::HasFatalFailure()) return;
  if (intent && intent->undo != 0) {
    SCOPED_TRACE("undone after it was resumed");
    ASSERT_TRUE(ok(bench.undo()));
    EXPECT_TRUE(same(bench.device(), scene.before));
  }
  check_store(bench);
  if (!intent || intent->undo == 0) return;
  SCOPED_TRACE("backwards");
  OperationsBench back(std::move(twin), scene.disk);
  check(back, scene, acknowledged, true, known, by_digest);
  if (testing::Test::HasFatalFailure()) return;
  check_store(back);
}

void check_no_leak(OperationsBench& bench) {
  EXPECT_TRUE(ok(bench.operations().collect({})));
  const auto info = bench.operations().store_info();
  ASSERT_TRUE(ok(info));
  EXPECT_EQ(info->allocated_bytes, info->live_bytes + info->segments * kSegmentHeader);
}

void check_usable(OperationsBench& bench) {
  bench.write(kChunk, pattern(kChunk, 900));
  const Bytes device = bench.device();
  const SnapshotNumber number = bench.must_snapshot();
  EXPECT_TRUE(bench.exports_as(number, device));
  check_no_leak(bench);
  EXPECT_TRUE(bench.empties());
}

}  // namespace blkrewind::test
