// Whatever is done to a device, in whatever order, snapshots and rollbacks produce the bytes that a
// list of copies would produce.
//
// RapidCheck prints the seed and the shrunken sequence of a failure; repeat it with
// RC_PARAMS="reproduce=..." as printed.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "format/segment_header.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

enum class Kind : std::uint8_t {
  kWrite,
  kZero,
  kSnapshot,
  kRollback,
  kRollbackWithoutUndo,
  kUndo,
  kInterrupt,  // a rollback interrupted by a power cut, then resumed or undone
  kKill,       // a rollback whose process is killed, then resumed or undone
  kKillSnapshot,
  kDelete,
  kReopen,
  kPowerCut,
  kCollect,
};
constexpr std::array<const char*, 13> kNames = {
    "write",  "zero",      "snapshot", "rollback",      "rollback without undo",
    "undo",   "interrupt", "kill",     "kill snapshot", "delete",
    "reopen", "power cut", "collect"};

// Numbers that are interpreted in the current state: modulo the number of objects.
struct Step {
  Kind kind = Kind::kWrite;
  std::uint16_t a = 0;
  std::uint16_t b = 0;
  std::uint8_t c = 0;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << kNames[static_cast<std::size_t>(step.kind)] << " " << step.a << " " << step.b << " "
             << int{step.c};
}

}  // namespace
}  // namespace blkrewind::test

namespace rc {
template <>
struct Arbitrary<blkrewind::test::Step> {
  static Gen<blkrewind::test::Step> arbitrary() {
    using blkrewind::test::Kind;
    using blkrewind::test::Step;
    return gen::build<Step>(
        gen::set(&Step::kind, gen::weightedElement<Kind>({{6, Kind::kWrite},
                                                          {2, Kind::kZero},
                                                          {5, Kind::kSnapshot},
                                                          {4, Kind::kRollback},
                                                          {2, Kind::kRollbackWithoutUndo},
                                                          {2, Kind::kUndo},
                                                          {2, Kind::kInterrupt},
                                                          {2, Kind::kKill},
                                                          {1, Kind::kKillSnapshot},
                                                          {4, Kind::kDelete},
                                                          {1, Kind::kReopen},
                                                          {1, Kind::kPowerCut},
                                                          {1, Kind::kCollect}})),
        gen::set(&Step::a), gen::set(&Step::b), gen::set(&Step::c));
  }
};
}  // namespace rc

namespace blkrewind::test {
namespace {

constexpr std::uint32_t kChunk = 4096;
// Three leaves, the last chunk short.
constexpr std::uint64_t kDeviceBytes = 300 * kChunk - 1536;

// The engine and its model.
class Pair {
 public:
  explicit Pair(bool tracked) : model_(kDeviceBytes), bench_(Bytes(kDeviceBytes), kChunk) {
    const auto info = bench_.operations().store_info();
    RC_ASSERT(info.has_value());
    empty_ = *info;
    if (tracked) bench_.track();
  }

  void run(const Step& step) {
    switch (step.kind) {
      case Kind::kWrite:
        return write(place(step), pattern(length(step), step.c));
      case Kind::kZero:
        return write(place(step), Bytes(length(step)));
      case Kind::kSnapshot:
        return snapshot();
      case Kind::kRollback:
        return rollback(chosen(step), true);
      case Kind::kRollbackWithoutUndo:
        return rollback(chosen(step), false);
      case Kind::kUndo:
        return undo();
      case Kind::kInterrupt:
        return interrupt(step);
      case Kind::kKill:
        return kill(step);
      case Kind::kKillSnapshot:
        return kill_snapshot(step);
      case Kind::kDelete:
        return remove(chosen(step));
      case Kind::kReopen:
        return must(bench_.open());
      case Kind::kPowerCut:
        return power_cut(step.a);
      case Kind::kCollect:
        return must(bench_.operations().collect({}));
    }
  }

  void check() {
    RC_ASSERT(bench_.device() == model_);
    std::size_t accomplished = 0;
    for (const auto& snapshot : bench_.view().snapshots) {
      RC_ASSERT(snapshot.state == format::SnapshotState::kAccomplished);
      RC_ASSERT(copies_.contains(snapshot.number));
      ++accomplished;
    }
    RC_ASSERT(accomplished == copies_.size());
  }

  void check_images() {
    for (const auto& [number, bytes] : copies_) {
      RC_ASSERT(static_cast<bool>(bench_.exports_as(number, bytes)));
    }
    RC_ASSERT(static_cast<bool>(bench_.all_verify()));
    // Besides its header, a segment has only blocks that a snapshot needs.
    must(bench_.operations().collect({}));
    const auto info = bench_.operations().store_info();
    must(info);
    RC_ASSERT(info->allocated_bytes ==
              info->live_bytes + info->segments * format::kSegmentHeaderBytes);
  }

  // Nothing is left of what all the steps stored.
  void check_empties() {
    const auto empties = bench_.empties();
    if (!empties) RC_LOG() << empties.message() << "\n";
    RC_ASSERT(static_cast<bool>(empties));
    const auto info = bench_.operations().store_info();
    RC_ASSERT(info.has_value());
    RC_ASSERT(info->live_bytes == empty_.live_bytes);
    RC_ASSERT(info->allocated_bytes == empty_.allocated_bytes);
    RC_ASSERT(bench_.device() == model_);
  }

 private:
  template <class T>
  void must(const Result<T>& result) {
    if (!result) RC_LOG() << result.error().to_string() << "\n";
    RC_ASSERT(result.has_value());
  }

  // Mostly few places, so that the same chunks are met again; sometimes long ranges.
  static std::uint64_t place(const Step& step) {
    const std::uint64_t chunk = step.b % 3 == 0 ? step.a % 300 : (step.a % 5) * 64;
    return std::min<std::uint64_t>(chunk * kChunk + (step.b % 7) * 100, kDeviceBytes - 1);
  }
  static std::uint64_t length(const Step& step) {
    const std::uint64_t wanted = step.c % 8 == 0 ? step.b * 16U : step.b % (3 * kChunk);
    return std::min(wanted + 1, kDeviceBytes - place(step));
  }
  [[nodiscard]] SnapshotNumber chosen(const Step& step) const {
    if (copies_.empty()) return 0;
    return std::next(copies_.begin(), step.a % static_cast<std::ptrdiff_t>(copies_.size()))->first;
  }

  void write(std::uint64_t offset, const Bytes& bytes) {
    put(model_, offset, bytes);
    bench_.write(offset, bytes);
  }

  void snapshot() {
    const auto receipt = bench_.snapshot();
    must(receipt);
    copies_[bench_.number(receipt->snapshot_id)] = model_;
  }

  void rollback(SnapshotNumber target, bool with_undo) {
    if (target == 0) return;
    const auto receipt = bench_.rollback(target, with_undo);
    must(receipt);
    RC_ASSERT(receipt->undo_snapshot_id.has_value() == (with_undo && copies_[target] != model_));
    finished(target);
  }

  void finished(SnapshotNumber target) {
    if (copies_.at(target) == model_) return;  // nothing was kept, and undo is unchanged
    const SnapshotNumber undo = bench_.view().disk.last_rollback.undo;
    if (undo != 0) copies_.try_emplace(undo, model_);
    model_ = copies_.at(target);
  }

  void undo() {
    const SnapshotNumber before = bench_.view().disk.last_rollback.undo;
    // Deleted by a user meanwhile: there is no target.
    if (before == 0 || !copies_.contains(before)) return;
    rollback(before, true);
  }

  void interrupt(const Step& step) {
    const SnapshotNumber target = chosen(step);
    if (target == 0) return;
    bench_.env().set_crash_after(bench_.env().mutations() + step.b % 24);
    const auto receipt = bench_.rollback(target, step.c % 4 != 0);
    power_cut(step.b);
    go_on(step, target, receipt);
  }

  // Another program writes a chunk to the device that is partly old and partly new: a resume finds
  // it, whether it was in the plan or not.
  void meddle(const Step& step) {
    if (step.c % 3 != 0) return;
    const std::uint64_t at = std::uint64_t{step.a} % 299 * kChunk;
    bench_.write(at, pattern(kChunk, step.b));
  }

  void fail_from(std::uint64_t nth) {
    sim::Fault fault;
    fault.kinds = {sim::OpKind::kWrite, sim::OpKind::kWriteZeroes, sim::OpKind::kFlush};
    fault.nth = nth;
    fault.from_then_on = true;
    bench_.env().inject(fault);
  }

  // Its unflushed journal records exist until a power cut; the next operation makes them durable.
  void kill_process() {
    must(bench_.kill());
    must(bench_.operations().collect({}));
  }

  void kill(const Step& step) {
    const SnapshotNumber target = chosen(step);
    if (target == 0) return;
    fail_from(step.b % 24 + 1);
    const auto receipt = bench_.rollback(target, step.c % 4 != 0);
    kill_process();
    go_on(step, target, receipt);
  }

  void kill_snapshot(const Step& step) {
    fail_from(step.b % 16 + 1);
    const auto receipt = bench_.snapshot();
    kill_process();
    // Taken without being acknowledged, or not taken.
    for (const auto& snapshot : bench_.view().snapshots) {
      if (snapshot.state == format::SnapshotState::kAccomplished) {
        copies_.try_emplace(snapshot.number, model_);
      } else {
        must(bench_.remove(snapshot.number));
      }
    }
    if (receipt) RC_ASSERT(copies_.contains(bench_.number(receipt->snapshot_id)));
  }

  void go_on(const Step& step, SnapshotNumber target, const Result<RollbackReceipt>& receipt) {
    const auto intent = bench_.view().intent;
    if (intent) {
      RC_ASSERT(!receipt.has_value());
      if (intent->undo != 0) copies_[intent->undo] = model_;
      const bool backwards = intent->undo != 0 && step.c % 2 == 0;
      meddle(step);
      const Bytes found = bench_.device();
      const auto done = bench_.resume(backwards);
      must(done);
      if (done->kept_snapshot_id) copies_[bench_.number(*done->kept_snapshot_id)] = found;
      if (!backwards) model_ = copies_.at(target);
      return;
    }
    // It ended before its intent, or after its end; the receipt says which.
    if (receipt) return finished(target);
    const Bytes device = bench_.device();
    for (const auto& snapshot : bench_.view().snapshots)
      copies_.try_emplace(snapshot.number, model_);
    RC_ASSERT(device == model_ || device == copies_.at(target));
    model_ = device;
  }

  void power_cut(std::uint64_t seed) {
    bench_.close();
    const bool tracked = bench_.tracked();
    bench_ = OperationsBench(bench_.env().crash(seed), bench_.disk());
    must(bench_.open());
    if (tracked) bench_.track();
  }

  void remove(SnapshotNumber number) {
    if (number == 0) return;
    must(bench_.remove(number));
    copies_.erase(number);
  }

  Bytes model_;
  std::map<SnapshotNumber, Bytes> copies_;
  OperationsBench bench_;
  StoreInfo empty_;
};

void run_all(const std::vector<Step>& steps, bool tracked) {
  Pair pair(tracked);
  for (const Step& step : steps) {
    pair.run(step);
    pair.check();
  }
  pair.check_images();
  pair.check_empties();
}

RC_GTEST_PROP(Model, GivesTheBytesOfACopy, (const std::vector<Step>& steps)) {
  run_all(steps, false);
}

// The same while a tracker selects what to read.
RC_GTEST_PROP(Model, GivesTheBytesOfACopyWhenTracked, (const std::vector<Step>& steps)) {
  run_all(steps, true);
}

}  // namespace
}  // namespace blkrewind::test
