// ResetDisk and ResetDisks: accepted here, executed by a worker.
#include <utility>

#include "blkrewind/text.h"
#include "cli/serve/action_parts.h"
#include "cli/serve/actions.h"
#include "cli/serve/api_errors.h"

namespace blkrewind::serve {
namespace {

constexpr std::size_t kDisksMax = 10;

struct Wish {
  std::string disk_id;
  std::string snapshot_id;
};

AcceptOptions options_of(const std::string& request_id, bool dry_run) {
  AcceptOptions options;
  options.request_id = request_id;
  options.dry_run = dry_run;
  options.ids_only = true;
  return options;
}

Status reset_one(const ActionContext& context, const Wish& wish, const std::string& request_id,
                 bool dry_run) {
  auto place = context.jobs.reserve();
  if (!place) return fail(api_error(kUnavailable, "too many operations wait: try again later"));
  BLKREWIND_ASSIGN(RollbackTask task,
                   context.engine.accept_rollback(wish.disk_id, wish.snapshot_id,
                                                  options_of(request_id, dry_run)));
  context.jobs.add(std::move(*place), std::move(task));
  return {};
}

std::string text_of(const Parameters& parameters, const std::string& key) {
  return std::string(parameters.find(key).value_or(""));
}

// Disk.1.DiskId, Disk.1.SnapshotId, Disk.2.DiskId, ...
Result<std::vector<Wish>> wishes_of(const Parameters& parameters) {
  BLKREWIND_ASSIGN(const auto disks, parameters.list("Disk", "DiskId", kDisksMax));
  BLKREWIND_ASSIGN(const auto snapshots, parameters.list("Disk", "SnapshotId", kDisksMax));
  if (disks.empty()) return fail(missing_parameter("Disk.1.DiskId"));
  if (disks.size() > snapshots.size()) {
    return fail(missing_parameter("Disk." + std::to_string(snapshots.size() + 1) + ".SnapshotId"));
  }
  if (snapshots.size() > disks.size()) {
    return fail(missing_parameter("Disk." + std::to_string(disks.size() + 1) + ".DiskId"));
  }
  std::vector<Wish> wishes;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    for (const Wish& before : wishes) {
      if (before.disk_id != disks[i]) continue;
      return fail(invalid_parameter("The disk " + disks[i] + " is named twice."));
    }
    wishes.push_back({disks[i], snapshots[i]});
  }
  return wishes;
}

Json progress_of(const Wish& wish, const Status& accepted) {
  Json item;
  item["OperationStatus"] = accepted ? "Success" : "Failed";
  if (!accepted) {
    const ShownError error = shown(accepted.error());
    item["ErrorCode"] = error.code;
    item["ErrorMsg"] = error.message;
  }
  item["RelatedItemSet"]["RelatedItem"] =
      Json::array({{{"Name", "DiskId"}, {"Value", wish.disk_id}}});
  return item;
}

}  // namespace

Result<Json> reset_disk(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const bool dry_run, parameters.boolean("DryRun"));
  // A missing parameter is empty: the rules report it.
  const Wish wish = {text_of(parameters, "DiskId"), text_of(parameters, "SnapshotId")};
  BLKREWIND_TRY(reset_one(context, wish, context.request_id, dry_run));
  return nothing();
}

// Each disk is accepted or refused separately. With DryRun the first refusal is the answer.
Result<Json> reset_disks(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const bool dry_run, parameters.boolean("DryRun"));
  BLKREWIND_ASSIGN(const std::vector<Wish> wishes, wishes_of(parameters));
  Status passed;
  Json items = Json::array();
  for (const Wish& wish : wishes) {
    // A reset has its own request id, by which log and catalog identify its disk.
    const Status accepted = reset_one(
        context, wish, wishes.size() == 1 ? context.request_id : new_request_id(), dry_run);
    if (dry_run) {
      passed = accepted;
      if (accepted.error().api != ApiCode::kDryRun) return fail(accepted.error());
      continue;
    }
    items.push_back(progress_of(wish, accepted));
  }
  if (dry_run) return fail(passed.error());
  Json fields;
  fields["OperationProgressSet"]["OperationProgress"] = std::move(items);
  return fields;
}

}  // namespace blkrewind::serve
