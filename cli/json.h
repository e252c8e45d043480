// The JSON form of every result: snake_case keys, bytes and seconds as numbers, null for "none".
//
// Times are seconds since the epoch, null for never. Keys may be added, but are never renamed,
// because scripts read them. The manual page lists them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/info.h"
#include "blkrewind/receipt.h"

namespace blkrewind::cli {

using Json = nlohmann::ordered_json;

// One line without its end. Bytes that are not UTF-8 (a path may contain any) become U+FFFD.
[[nodiscard]] std::string dump(const Json& json);
// As "path" and, if it is not UTF-8, all of its bytes as "path_hex".
void add_path(Json& json, const std::string& path);

[[nodiscard]] Json json_of(const Extent& extent);
[[nodiscard]] Json json_of(const std::vector<Extent>& extents);
[[nodiscard]] Json json_of(const SnapshotReceipt& receipt);
[[nodiscard]] Json json_of(const RollbackReceipt& receipt);
[[nodiscard]] Json json_of(const CloneReceipt& receipt);
[[nodiscard]] Json json_of(const VerifyReceipt& receipt);
[[nodiscard]] Json json_of(const ExportReceipt& receipt);
[[nodiscard]] Json json_of(const DeleteReceipt& receipt);
[[nodiscard]] Json json_of(const CollectReceipt& receipt);
[[nodiscard]] Json json_of(const UpgradeReceipt& receipt);
// Without the extents, which are streamed.
[[nodiscard]] Json json_of(const DiffReceipt& receipt);
[[nodiscard]] Json json_of(const SnapshotInfo& snapshot);
[[nodiscard]] Json json_of(const DiskInfo& disk);
[[nodiscard]] Json json_of(const InstanceInfo& instance);
[[nodiscard]] Json json_of(const TrackingInfo& tracking);
[[nodiscard]] Json json_of(const std::vector<PinnedTracking>& pins);
[[nodiscard]] Json json_of(const StoreInfo& store);

// Why a disk cannot be read: code and message, or null.
[[nodiscard]] Json json_of_trouble(const std::optional<Error>& trouble);
// A disk of a list: {..., "snapshots": [...]}; null: they cannot be read.
[[nodiscard]] Json json_of_listed(const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots);

// "user", "undo", "import" and "progressing", "accomplished", "failed".
[[nodiscard]] const char* name_of(SnapshotKind kind);
[[nodiscard]] const char* name_of(SnapshotStatus status);
[[nodiscard]] const char* name_of(TakenFrom from);

}  // namespace blkrewind::cli
