// The extents that differ between a device and a snapshot, or between two snapshots.
#include <utility>

#include "operations/operations_parts.h"
#include "pipeline/extent_merger.h"
#include "pipeline/scan.h"

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

Result<DiffReceipt> Operations::diff_snapshots(const SnapshotKey& from, const SnapshotKey& to,
                                               const std::function<void(Extent)>& visit,
                                               const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  BLKREWIND_ASSIGN(const auto first, open_snapshot(from));
  BLKREWIND_ASSIGN(const auto second, open_snapshot(to));
  const std::uint64_t size = second->record().device_bytes;
  DiffReceipt receipt;
  pipeline::Meter meter(monitor, "diff", size);
  std::uint64_t at = 0;
  Status going;
  const auto add = [&](const Extent& extent) {
    receipt.changed_bytes += extent.length;
    ++receipt.extents;
    if (visit) visit(extent);
    going = meter.advance(extent.end() - at);
    at = extent.end();
    return going.has_value();
  };
  BLKREWIND_TRY(second->visit_changes(*first, {0, size}, add));
  BLKREWIND_TRY(going);
  meter.finish();
  receipt.from = first->record().id;
  receipt.to = second->record().id;
  receipt.device_bytes = size;
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace blkrewind
