// CreateSnapshot, DeleteSnapshot, DescribeSnapshots.
#include <algorithm>
#include <iterator>
#include <utility>

#include "blkrewind/text.h"
#include "cli/serve/action_parts.h"
#include "cli/serve/actions.h"
#include "cli/serve/api_errors.h"

namespace blkrewind::serve {
namespace {

constexpr std::size_t kTagsMax = 20;
constexpr std::uint64_t kRetentionDaysMax = 65536;

constexpr ApiText kNoSnapshot{ApiCode::kSnapshotNotFound, "The specified snapshot does not exist."};
constexpr ApiText kMalformedSnapshotIds{ApiCode::kMalformedSnapshotIds,
                                        "The amount of specified snapshot Ids exceeds the limit."};
constexpr ApiText kNoStatus{ApiCode::kStatusNotFound, "The specified Status is not found."};

const char* status_text(SnapshotStatus status) {
  switch (status) {
    case SnapshotStatus::kProgressing:
      return "progressing";
    case SnapshotStatus::kAccomplished:
      return "accomplished";
    case SnapshotStatus::kFailed:
      break;
  }
  return "failed";
}

// Tag.1.Key, Tag.1.Value, ...; a value may be omitted.
Result<std::vector<Tag>> tags_of(const Parameters& parameters) {
  BLKREWIND_ASSIGN(const auto keys, parameters.list("Tag", "Key", kTagsMax));
  std::vector<Tag> tags;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string value = "Tag." + std::to_string(i + 1) + ".Value";
    tags.push_back({keys[i], std::string(parameters.find(value).value_or(""))});
  }
  // An accidentally empty parameter would result in a filter that accepts everything.
  for (std::size_t i = keys.size() + 1; i <= kTagsMax; ++i) {
    const std::string tag = "Tag." + std::to_string(i);
    if (parameters.find(tag + ".Value")) return fail(missing_parameter(tag + ".Key"));
  }
  return tags;
}

std::string progress_text(const ActionContext& context, const SnapshotInfo& snapshot) {
  if (snapshot.status == SnapshotStatus::kAccomplished) return "100%";
  return std::to_string(context.jobs.percent_of_snapshot(snapshot.id).value_or(0)) + "%";
}

Json json_of(const ActionContext& context, const SnapshotInfo& snapshot) {
  Json row;
  row["SnapshotId"] = snapshot.id;
  row["SnapshotName"] = snapshot.name;
  row["Description"] = snapshot.description;
  row["SourceDiskId"] = snapshot.disk_id;
  row["SourceDiskSize"] = gib_of(snapshot.device_bytes);
  row["SourceDiskType"] = "data";
  row["SnapshotType"] = snapshot.kind == SnapshotKind::kUndo ? "auto" : "user";
  row["Status"] = status_text(snapshot.status);
  row["Progress"] = progress_text(context, snapshot);
  row["CreationTime"] = time_text(snapshot.created_at);
  row["RetentionDays"] = snapshot.retention_days;
  row["Usage"] = "none";
  row["RegionId"] = context.region;
  Json tags = Json::array();
  for (const Tag& tag : snapshot.tags)
    tags.push_back({{"TagKey", tag.key}, {"TagValue", tag.value}});
  row["Tags"]["Tag"] = std::move(tags);
  return row;
}

struct SnapshotFilter {
  std::optional<std::vector<std::string>> ids;
  std::optional<std::vector<std::string>> disks;
  std::optional<std::string> name;
  std::optional<std::string> status;
  std::vector<Tag> tags;

  [[nodiscard]] bool lets_through(const SnapshotInfo& snapshot) const {
    const bool has_tags = std::all_of(tags.begin(), tags.end(), [&](const Tag& wanted) {
      return std::any_of(snapshot.tags.begin(), snapshot.tags.end(), [&](const Tag& tag) {
        return tag.key == wanted.key && (wanted.value.empty() || tag.value == wanted.value);
      });
    });
    return has_tags && passes(ids, snapshot.id) && passes(disks, snapshot.disk_id) &&
           (!name || *name == snapshot.name) &&
           (!status || *status == status_text(snapshot.status));
  }
};

Result<std::vector<std::string>> disks_of_instance(Engine& engine, const std::string& instance) {
  std::vector<std::string> ids;
  BLKREWIND_ASSIGN(const auto disks, engine.disks());
  for (const DiskInfo& disk : disks) {
    if (disk.instance_id == instance) ids.push_back(disk.id);
  }
  return ids;
}

// Of these disks, or of all. One that cannot be read is an error if it is asked for: that it has no
// snapshots would be wrong.
Result<std::vector<SnapshotInfo>> snapshots_of(
    Engine& engine, const std::optional<std::vector<std::string>>& disks) {
  if (!disks) return engine.snapshots();
  std::vector<SnapshotInfo> all;
  for (const std::string& disk : *disks) {
    if (disk.empty()) continue;
    auto own = engine.snapshots(disk);
    if (!own && own.error().code == Errc::kNotFound) continue;
    if (!own) return fail(std::move(own).error());
    std::ranges::move(*own, std::back_inserter(all));
  }
  return all;
}

Result<SnapshotFilter> filter_of(const ActionContext& context, const Parameters& parameters) {
  SnapshotFilter filter;
  BLKREWIND_ASSIGN(filter.ids,
                   parameters.json_ids("SnapshotIds", kIdsMax, api_error(kMalformedSnapshotIds)));
  if (const auto disk = parameters.find("DiskId")) filter.disks = {{std::string(*disk)}};
  if (const auto instance = parameters.find("InstanceId")) {
    BLKREWIND_ASSIGN(auto disks, disks_of_instance(context.engine, std::string(*instance)));
    if (filter.disks) {
      std::erase_if(disks, [&](const std::string& id) { return !passes(filter.disks, id); });
    }
    filter.disks = std::move(disks);
  }
  if (const auto name = parameters.find("SnapshotName")) filter.name = std::string(*name);
  if (const auto status = parameters.find("Status"); status && *status != "all") {
    if (*status != "progressing" && *status != "accomplished" && *status != "failed") {
      return fail(api_error(kNoStatus, "use progressing, accomplished, failed or all"));
    }
    filter.status = std::string(*status);
  }
  BLKREWIND_ASSIGN(filter.tags, tags_of(parameters));
  return filter;
}

}  // namespace

Result<Json> create_snapshot(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const std::string disk_id, parameters.need("DiskId"));
  if (!is_valid_id("d-", disk_id)) return fail(no_such_disk());
  SnapshotOptions options;
  options.name = parameters.find("SnapshotName").value_or("");
  options.description = parameters.find("Description").value_or("");
  SnapshotNotes notes;
  notes.client_token = parameters.find("ClientToken").value_or("");
  BLKREWIND_ASSIGN(const std::uint64_t days,
                   parameters.number("RetentionDays", 1, kRetentionDaysMax, 0));
  notes.retention_days = static_cast<std::uint32_t>(days);
  BLKREWIND_ASSIGN(notes.tags, tags_of(parameters));

  auto place = context.jobs.reserve();
  if (!place) return fail(api_error(kUnavailable, "too many operations wait: try again later"));
  BLKREWIND_ASSIGN(SnapshotTask task, context.engine.accept_snapshot(disk_id, options, notes));
  Json fields;
  fields["SnapshotId"] = task.snapshot_id();
  if (!task.is_repeated()) {
    context.jobs.add(std::move(*place), std::move(task), context.request_id);
  }
  return fields;
}

Result<Json> delete_snapshot(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const std::string id, parameters.need("SnapshotId"));
  if (!is_valid_id("s-", id)) return fail(api_error(kNoSnapshot));
  BLKREWIND_TRY(context.engine.remove_snapshot(id));
  return nothing();
}

Result<Json> describe_snapshots(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_TRY(parameters.need("RegionId"));
  BLKREWIND_ASSIGN(const Page page, page_of(parameters));
  BLKREWIND_ASSIGN(const SnapshotFilter filter, filter_of(context, parameters));
  BLKREWIND_ASSIGN(const auto snapshots, snapshots_of(context.engine, filter.disks));
  std::vector<Json> rows;
  // Newest first, as the API lists them.
  for (auto at = snapshots.rbegin(); at != snapshots.rend(); ++at) {
    if (filter.lets_through(*at)) rows.push_back(json_of(context, *at));
  }
  return paged(page, rows, "Snapshots", "Snapshot");
}

}  // namespace blkrewind::serve
