// The result of a command, as a few aligned lines of text.
#pragma once

#include <string>
#include <vector>

#include "blkrewind/info.h"
#include "blkrewind/receipt.h"

namespace blkrewind::cli {

[[nodiscard]] std::string text_of(const SnapshotReceipt& receipt, const std::string& target,
                                  const std::string& source_file = {});
enum class RollbackVerb { kRollback, kUndo, kResume };

// `snapshot`: the user's argument, or empty. `undo_command`: the command that undoes the rollback,
// if any.
[[nodiscard]] std::string text_of(const RollbackReceipt& receipt, RollbackVerb verb,
                                  const std::string& target, const std::string& snapshot,
                                  const std::string& undo_command);
[[nodiscard]] std::string text_of(const CloneReceipt& receipt, const std::string& target,
                                  const std::string& undo_command);
[[nodiscard]] std::string text_of(const DiffReceipt& receipt);
[[nodiscard]] std::string text_of(const VerifyReceipt& receipt);
[[nodiscard]] std::string text_of(const ExportReceipt& receipt, const std::string& file);
[[nodiscard]] std::string text_of(const DeleteReceipt& receipt);
[[nodiscard]] std::string text_of(const CollectReceipt& receipt);
[[nodiscard]] std::string text_of(const UpgradeReceipt& receipt, const std::string& store);
[[nodiscard]] std::string text_of(const TrackingInfo& tracking);
[[nodiscard]] std::string text_of(const std::vector<PinnedTracking>& pins);
[[nodiscard]] std::string text_of(const StoreInfo& store);
[[nodiscard]] std::string text_of(const InstanceInfo& instance);
[[nodiscard]] std::string text_of(const std::vector<InstanceInfo>& instances);

// The commands to suggest for an interrupted rollback.
struct Advice {
  std::string resume;
  std::string undo;
};

[[nodiscard]] std::string text_of(const DiskInfo& disk, const Advice& advice);

// One disk with its snapshots.
[[nodiscard]] std::string text_of_listed(const DiskInfo& disk,
                                         const std::vector<SnapshotInfo>& snapshots,
                                         const Advice& advice);

}  // namespace blkrewind::cli
