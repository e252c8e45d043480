// DescribeDisks, AttachDisk, DetachDisk.
#include <map>
#include <utility>

#include "blkrewind/text.h"
#include "cli/serve/action_parts.h"
#include "cli/serve/actions.h"
#include "cli/serve/api_errors.h"

namespace blkrewind::serve {
namespace {

constexpr ApiText kMalformedDiskIds{ApiCode::kMalformedDiskIds,
                                    "The amount of specified disk Ids exceeds the limit."};
constexpr ApiText kDiskStatus{ApiCode::kDiskStatus,
                              "The current disk status does not support this operation."};

const char* state_text(ResetState state) {
  switch (state) {
    case ResetState::kAccepted:
      return "accepted";
    case ResetState::kDone:
      return "done";
    case ResetState::kFailed:
      break;
  }
  return "failed";
}

// An accepted reset will be executed, even while no process holds the disk: it must not be shown as
// done.
const std::string& status_of(const DiskInfo& disk) {
  static const std::string reset = "ReIniting";
  const bool waits = disk.last_reset && disk.last_reset->state == ResetState::kAccepted;
  return waits ? reset : disk.status;
}

// Not part of the API: the result of the last ResetDisk of this disk, for clients that poll.
Json json_of(const ResetInfo& reset) {
  Json row;
  row["RequestId"] = reset.request_id;
  row["SnapshotId"] = reset.snapshot_id;
  row["Status"] = state_text(reset.state);
  row["AcceptedTime"] = time_text(reset.accepted_at);
  row["FinishedTime"] = time_text(reset.finished_at);
  row["ErrorCode"] = reset.error_code;
  row["ErrorMessage"] = reset.error_message;
  return row;
}

Json json_of(const ActionContext& context, const DiskInfo& disk,
             const std::vector<std::string>& locks) {
  Json row;
  row["DiskId"] = disk.id;
  row["DiskName"] = "";
  row["Status"] = status_of(disk);
  row["Size"] = gib_of(disk.device_bytes);
  row["InstanceId"] = disk.instance_id;
  row["Device"] = disk.path;
  row["Type"] = "data";
  row["Category"] = "cloud";
  row["Portable"] = true;
  row["OperationLocks"]["OperationLock"] = locks_json(locks);
  row["CreationTime"] = time_text(disk.registered_at);
  row["AttachedTime"] = time_text(disk.attached_at);
  row["DetachedTime"] = time_text(disk.detached_at);
  row["RegionId"] = context.region;
  if (disk.last_reset) row["LastReset"] = json_of(*disk.last_reset);
  return row;
}

struct DiskFilter {
  std::optional<std::vector<std::string>> ids;
  std::optional<std::string> instance;
  std::optional<std::string> status;

  [[nodiscard]] bool lets_through(const DiskInfo& disk) const {
    return passes(ids, disk.id) && (!instance || *instance == disk.instance_id) &&
           (!status || *status == status_of(disk));
  }
};

Result<DiskFilter> filter_of(const Parameters& parameters) {
  DiskFilter filter;
  BLKREWIND_ASSIGN(filter.ids,
                   parameters.json_ids("DiskIds", kIdsMax, api_error(kMalformedDiskIds)));
  if (const auto instance = parameters.find("InstanceId")) filter.instance = std::string(*instance);
  if (const auto status = parameters.find("Status"); status && *status != "All") {
    filter.status = std::string(*status);
  }
  return filter;
}

// DiskId and InstanceId, both of which must exist. Returns the current disk.
struct DiskAndInstance {
  DiskInfo disk;
  std::string instance_id;
};
Result<DiskAndInstance> both_of(const ActionContext& context, const Parameters& parameters) {
  DiskAndInstance both;
  BLKREWIND_ASSIGN(both.instance_id, parameters.need("InstanceId"));
  BLKREWIND_ASSIGN(const std::string disk_id, parameters.need("DiskId"));
  if (!is_valid_id("d-", disk_id)) return fail(no_such_disk());
  if (!is_valid_id("i-", both.instance_id)) return fail(no_such_instance());
  BLKREWIND_ASSIGN(both.disk, context.engine.disk(disk_id));
  BLKREWIND_TRY(context.engine.instance(both.instance_id));
  return both;
}

}  // namespace

Result<Json> describe_disks(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_TRY(parameters.need("RegionId"));
  BLKREWIND_ASSIGN(const Page page, page_of(parameters));
  BLKREWIND_ASSIGN(const DiskFilter filter, filter_of(parameters));
  BLKREWIND_ASSIGN(const auto disks, context.engine.disks(filter.ids));
  std::map<std::string, std::vector<std::string>> locks;
  BLKREWIND_ASSIGN(const auto instances, context.engine.instances());
  for (const InstanceInfo& instance : instances) locks[instance.id] = instance.locks;
  std::vector<Json> rows;
  for (const DiskInfo& disk : disks) {
    if (filter.lets_through(disk)) rows.push_back(json_of(context, disk, locks[disk.instance_id]));
  }
  return paged(page, rows, "Disks", "Disk");
}

Result<Json> attach_disk(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const DiskAndInstance both, both_of(context, parameters));
  BLKREWIND_TRY(context.engine.attach_disk(both.disk.id, both.instance_id));
  return nothing();
}

Result<Json> detach_disk(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const DiskAndInstance both, both_of(context, parameters));
  if (both.disk.instance_id != both.instance_id) {
    return fail(api_error(kDiskStatus, "it is not attached to " + both.instance_id));
  }
  BLKREWIND_TRY(context.engine.detach_disk(both.disk.id));
  return nothing();
}

}  // namespace blkrewind::serve
