// The extents that differ between a device and a snapshot, or between two snapshots.
#include <utility>

#include "base/remedies.h"
#include "operations/operations_parts.h"
#include "pipeline/extent_merger.h"
#include "pipeline/scan.h"
#include "store/tree_diff.h"
#include "store/tree_reader.h"

namespace blkrewind {
namespace {

// Joins chunks into extents, counts them and hands them on.
class Differences {
 public:
  Differences(const std::function<void(Extent)>& visit, DiffReceipt& receipt)
      : visit_(visit), receipt_(receipt) {}

  void add(const Extent& chunk) { hand_on(merger_.add(chunk)); }
  void finish() {
    hand_on(merger_.finish());
    receipt_.changed_bytes = merger_.bytes();
    receipt_.extents = merger_.count();
  }

 private:
  void hand_on(const std::optional<Extent>& extent) {
    if (extent && visit_) visit_(*extent);
  }

  const std::function<void(Extent)>& visit_;
  DiffReceipt& receipt_;
  pipeline::ExtentMerger merger_;
};

}  // namespace

Result<DiffReceipt> Operations::diff_device(format::DiskNumber number, const std::string& path,
                                            format::SnapshotNumber snapshot,
                                            const std::function<void(Extent)>& visit,
                                            const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  BLKREWIND_ASSIGN(const LockedDisk locked, lock_disk_for_reading(*parts_->store, number));
  BLKREWIND_ASSIGN(const auto record, find_accomplished(*locked.state, snapshot));
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, path, DeviceUse::kRead));
  const store::Tree tree = store::tree_of(record);
  if (device.info.size_bytes != tree.geometry.device_bytes) {
    return fail(Errc::kPrecondition,
                path + " has another size than when snapshot " + record.id + " was taken");
  }
  DiffReceipt receipt;
  Differences differences(visit, receipt);
  pipeline::ScanRequest request;
  request.device = device.file.get();
  request.geometry = tree.geometry;
  request.means = parts_->means;
  request.references = {record};
  request.passes_over_unreadable = true;
  request.visit = [&](const pipeline::ScanResult& leaf) -> Status {
    pipeline::for_each_chunk(leaf.leaf, leaf.differing, [&](std::uint64_t chunk) {
      differences.add(tree.geometry.chunk_extent(chunk));
    });
    return {};
  };
  BLKREWIND_ASSIGN(const pipeline::ScanOutcome outcome,
                   pipeline::scan_device(*locked.history, request, monitor));
  differences.finish();
  receipt.to = record.id;
  receipt.device_bytes = tree.geometry.device_bytes;
  receipt.scanned_bytes = outcome.scanned_bytes;
  receipt.scan_seconds = outcome.seconds;
  receipt.unreadable_bytes = outcome.unreadable.bytes();
  receipt.unreadable = outcome.unreadable.named();
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

namespace {

Result<DiffReceipt> compare(store::History& history, const format::SnapshotRecord& first,
                            const format::SnapshotRecord& second,
                            const std::function<void(Extent)>& visit, const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  const store::Tree first_tree = store::tree_of(first);
  const store::Tree second_tree = store::tree_of(second);
  if (first.disk != second.disk || first_tree.geometry != second_tree.geometry) {
    return fail(Errc::kInvalidArgument,
                "snapshots " + first.id + " and " + second.id +
                    " are of different disks, or of different sizes of one");
  }
  DiffReceipt receipt;
  Differences differences(visit, receipt);
  pipeline::Meter meter(monitor, "diff", first_tree.geometry.device_bytes);
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  store::TreeReader reader(history.files(), *queue, history.secret());
  store::TreeDiff diff(reader, first_tree, second_tree);
  std::uint64_t at = 0;
  while (true) {
    BLKREWIND_ASSIGN(const auto difference, diff.next());
    if (!difference) break;
    const Extent chunk = first_tree.geometry.chunk_extent(difference->chunk);
    differences.add(chunk);
    BLKREWIND_TRY(meter.advance(chunk.end() - at));
    at = chunk.end();
  }
  differences.finish();
  meter.finish();
  receipt.from = first.id;
  receipt.to = second.id;
  receipt.device_bytes = first_tree.geometry.device_bytes;
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace

Result<DiffReceipt> Operations::diff_snapshots(const SnapshotKey& from, const SnapshotKey& to,
                                               const std::function<void(Extent)>& visit,
                                               const Monitor& monitor) {
  BLKREWIND_ASSIGN(const auto history, parts_->store->history(from.disk));
  BLKREWIND_ASSIGN(const auto other, parts_->store->history(to.disk));
  BLKREWIND_ASSIGN(const auto first, find_accomplished(*history->state(), from.number));
  BLKREWIND_ASSIGN(const auto second, find_accomplished(*other->state(), to.number));
  auto compared = compare(*history, first, second, visit, monitor);
  if (compared || !history->log().refresh()) return compared;
  // Nothing is locked: a concurrent delete removes nodes, which is not damage.
  for (const auto& snapshot : {first, second}) {
    if (find_accomplished(*history->state(), snapshot.number)) continue;
    return fail(Errc::kNotFound, "snapshot " + snapshot.id + " was deleted during the comparison",
                look_into_list("see the snapshots that there are"));
  }
  return compared;
}

}  // namespace blkrewind
