// What a command did, in a few aligned lines for people.
#pragma once

#include <string>
#include <vector>

#include "blkrewind/info.h"
#include "blkrewind/receipt.h"

namespace blkrewind::cli {

[[nodiscard]] std::string text_of(const SnapshotReceipt& receipt, const std::string& target,
                                  const std::string& source_file = {});
enum class RollbackVerb { kRollback, kUndo, kResume };

// `snapshot`: as the user named it, or empty. `undo_command`: what takes it back, if anything does.
[[nodiscard]] std::string text_of(const RollbackReceipt& receipt, RollbackVerb verb,
                                  const std::string& target, const std::string& snapshot,
                                  const std::string& undo_command);
[[nodiscard]] std::string text_of(const DiffReceipt& receipt);
[[nodiscard]] std::string text_of(const VerifyReceipt& receipt);
[[nodiscard]] std::string text_of(const ExportReceipt& receipt, const std::string& file);
[[nodiscard]] std::string text_of(const DeleteReceipt& receipt);
[[nodiscard]] std::string text_of(const CollectReceipt& receipt);
[[nodiscard]] std::string text_of(const TrackingInfo& tracking);
[[nodiscard]] std::string text_of(const std::vector<PinnedTracking>& pins);
[[nodiscard]] std::string text_of(const StoreInfo& store);
[[nodiscard]] std::string text_of(const InstanceInfo& instance);
[[nodiscard]] std::string text_of(const std::vector<InstanceInfo>& instances);

// The commands to name in advice about an interrupted rollback.
struct Advice {
  std::string resume;
  std::string undo;
};

[[nodiscard]] std::string text_of(const DiskInfo& disk, const Advice& advice);

// One disk with its snapshots; snapshots of other disks are left out.
[[nodiscard]] std::string text_of_list(const DiskInfo& disk,
                                       const std::vector<SnapshotInfo>& snapshots,
                                       const Advice& advice);

}  // namespace blkrewind::cli
