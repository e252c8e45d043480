#include "campaign/random_workload.h"

#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace blkrewind::campaign {
namespace {

using test::Bytes;
using test::failed;
using test::kChunk;
using test::ok;
using test::OperationsBench;
using test::Scene;
using test::SnapshotNumber;

enum class Last : std::uint8_t {
  kSnapshot,
  kRollback,
  kRollbackWithoutUndo,
  kDelete,
  kCollect,
  kResume,
  kResumeBackwards,
};
constexpr std::uint64_t kLasts = 7;

// A device with a history, and its expected state.
class History {
 public:
  History(std::uint64_t seed, sim::HomeType home)
      : random_(seed),
        chunks_(1 + random_.below(random_.percent(4) ? 300 : 16)),
        tail_(random_.percent(30) ? 512 * (1 + random_.below(7)) : 0),
        model_(fresh(chunks_ * kChunk + tail_)),
        bench_(model_, kChunk, host::DeviceKind::kBlock, home) {
    take();
    for (std::uint64_t steps = random_.below(8); steps-- > 0;) step();
    change();
    take();
    change();
  }

  Scene scene(Last last) {
    Scene scene;
    scene.disk = bench_.disk();
    scene.before = scene.target = model_;
    scene.snapshots = snapshots_;
    auto chosen = any();
    // A second rollback to the same target would leave no trace of having ended.
    while (chosen->first == bench_.view().disk.last_rollback.target) chosen = any();
    if (last == Last::kDelete) {
      scene.going = chosen->first;
      scene.going_bytes = chosen->second;
      scene.snapshots.erase(scene.going);
    } else if (last == Last::kSnapshot) {
      scene.takes_snapshot = true;
    } else if (last != Last::kCollect) {
      scene.target = chosen->second;
      scene.target_number = chosen->first;
    }
    if (last == Last::kResume || last == Last::kResumeBackwards) interrupt(scene);
    scene.ends_at_before = last == Last::kResumeBackwards;
    bench_.close();
    scene.env = bench_.env().crash(1);
    return scene;
  }

 private:
  Bytes fresh(std::uint64_t length) {
    return random_.percent(25) ? Bytes(length) : test::pattern(length, random_.next());
  }

  std::map<SnapshotNumber, Bytes>::const_iterator any() {
    return std::next(snapshots_.begin(),
                     static_cast<std::ptrdiff_t>(random_.below(snapshots_.size())));
  }

  // Some runs of chunks, or parts of a chunk.
  void change() {
    for (std::uint64_t runs = 1 + random_.below(4); runs-- > 0;) {
      const std::uint64_t offset = random_.below(model_.size());
      const std::uint64_t most = random_.percent(50) ? 3 * kChunk : 700;
      const std::uint64_t length = std::min(1 + random_.below(most), model_.size() - offset);
      test::put(model_, offset, fresh(length));
    }
    bench_.write(0, model_);
  }

  void take() { snapshots_[bench_.must_snapshot()] = model_; }

  void step() {
    const std::uint64_t kind = random_.below(10);
    if (kind < 4) change();
    if (kind < 3) {
      take();
    } else if (kind < 6) {
      const auto chosen = any();
      const bool undo = random_.percent(70);
      const auto receipt = bench_.rollback(chosen->first, undo);
      EXPECT_TRUE(ok(receipt));
      if (receipt && receipt->undo_snapshot_id) {
        const Bytes back = chosen->second;
        snapshots_[bench_.number(*receipt->undo_snapshot_id)] = model_;
        model_ = back;
      } else {
        model_ = chosen->second;
      }
    } else if (kind < 8 && snapshots_.size() > 1) {
      const SnapshotNumber number = any()->first;
      EXPECT_TRUE(ok(bench_.remove(number)));
      snapshots_.erase(number);
    }
  }

  // Leaves a rollback interrupted. If nothing has to be written there is none, and resume is
  // refused.
  void interrupt(Scene& scene) {
    bench_.env().inject({.kinds = {sim::OpKind::kWrite, sim::OpKind::kWriteZeroes},
                         .path = test::kDevice,
                         .nth = 1 + random_.below(3),
                         .from_then_on = true});
    bench_.env().inject({.kinds = {sim::OpKind::kFlush}, .path = test::kDevice});
    const auto receipt = bench_.rollback(scene.target_number, true);
    bench_.env().clear_faults();
    const auto intent = bench_.view().intent;
    EXPECT_EQ(receipt.has_value(), !intent.has_value());
    if (intent) {
      scene.snapshots[intent->undo] = scene.before;
    } else {
      scene.before = scene.target;
      scene.target_number = 0;
    }
  }

  sim::Random random_;
  std::uint64_t chunks_;
  std::uint64_t tail_;
  Bytes model_;
  OperationsBench bench_;
  std::map<SnapshotNumber, Bytes> snapshots_;
};

template <class T>
Status status(Result<T> result) {
  if (!result) return fail(std::move(result).error());
  return {};
}

// Another process that has every snapshot open while the last operation runs.
class Readers {
 public:
  Readers(OperationsBench& bench, const Scene& scene) : bench_(bench), scene_(scene) {
    auto other = bench.another_process();
    if (!other) return;
    process_ = std::move(*other);
    for (const auto& [number, bytes] : scene.snapshots) open(number);
  }

  // What is open is not deleted.
  void expect_kept(SnapshotNumber number) {
    if (!open(number)) return;
    const auto refused = bench_.remove(number);
    // Not always as busy: a process of a remote home may be behind, and not have seen it yet.
    EXPECT_FALSE(refused) << "an open snapshot was deleted";
    open_.pop_back();
  }

  void expect_unchanged() {
    for (const auto& reader : open_) {
      const Bytes& expected = scene_.snapshots.at(reader->record().number);
      Bytes bytes(expected.size());
      const Status read = reader->read(0, bytes);
      if (read) {
        EXPECT_TRUE(test::same(bytes, expected)) << "an open snapshot changed";
      } else if (!disturbed()) {
        ADD_FAILURE() << ok(read).message();
      }
    }
  }

 private:
  bool open(SnapshotNumber number) {
    if (!process_) return false;
    auto opened = process_->open_snapshot(bench_.key(number));
    if (opened) open_.push_back(std::move(*opened));
    return opened.has_value();
  }
  // Then a failure says nothing.
  [[nodiscard]] bool disturbed() const {
    return bench_.env().power_is_off() || bench_.env().fault_hits() > 0;
  }

  OperationsBench& bench_;
  const Scene& scene_;
  std::unique_ptr<Operations> process_;
  std::vector<std::shared_ptr<OpenSnapshot>> open_;
};

Status run_last(OperationsBench& bench, const Scene& scene, Last last) {
  switch (last) {
    case Last::kSnapshot:
      return status(bench.snapshot());
    case Last::kRollback:
      return status(bench.rollback(scene.target_number, true));
    case Last::kRollbackWithoutUndo:
      return status(bench.rollback(scene.target_number, false));
    case Last::kDelete:
      return status(bench.remove(scene.going));
    case Last::kCollect:
      return status(bench.operations().collect({}));
    case Last::kResume:
    case Last::kResumeBackwards:
      if (scene.target_number == 0) return {};
      return status(bench.resume(last == Last::kResumeBackwards));
  }
  return {};
}

Status finish(OperationsBench& bench, const Scene& scene, Last last) {
  Readers readers(bench, scene);
  if (last == Last::kDelete) readers.expect_kept(scene.going);
  Status done = run_last(bench, scene, last);
  readers.expect_unchanged();
  return done;
}

}  // namespace

test::Workload random_workload(std::uint64_t seed) {
  const auto last = static_cast<Last>(seed % kLasts);
  return {
      "Random" + std::to_string(seed),
      [seed, last](auto home) { return History(seed, home).scene(last); },
      [last](OperationsBench& bench, const Scene& scene) { return finish(bench, scene, last); }};
}

test::Workload two_disks() {
  constexpr const char* kOther = "/dev/other";
  const Bytes theirs = test::pattern(6 * kChunk, 77);
  const auto prepare = [theirs](auto home) {
    Bytes bytes = test::pattern(8 * kChunk, 1);
    OperationsBench bench(bytes, kChunk, host::DeviceKind::kBlock, home);
    bench.env().add_device(kOther, theirs.size(), host::DeviceKind::kBlock);
    bench.env().poke(kOther, 0, theirs);
    EXPECT_TRUE(ok(bench.operations().register_disk(kOther, kChunk)));
    Scene scene;
    scene.disk = bench.disk();
    scene.target = bytes;
    scene.target_number = bench.must_snapshot();
    scene.snapshots[scene.target_number] = bytes;
    test::put(bytes, 2 * kChunk, test::pattern(3 * kChunk, 2));
    bench.write(0, bytes);
    scene.before = bytes;
    bench.close();
    scene.env = bench.env().crash(1);
    return scene;
  };
  const auto run = [](OperationsBench& bench, const Scene& scene) {
    Status other;
    bool asked = false;
    const Monitor monitor{[&](const Progress&) {
      if (std::exchange(asked, true)) return;
      auto second = bench.another_process();
      if (!second) {
        other = fail(std::move(second).error());
        return;
      }
      const auto view = (*second)->find_disk(kOther);
      if (!view || !*view) {
        other = fail(Errc::kNotFound, "the other disk");
        return;
      }
      other = status((*second)->snapshot((*view)->disk.number, kOther, {}, {}));
    }};
    const auto rolled = bench.rollback(scene.target_number, true, monitor);
    if (!rolled) return status(rolled);
    return other;
  };
  return {"TwoDisks", prepare, run, 2};
}

}  // namespace blkrewind::campaign
