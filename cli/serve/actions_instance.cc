// DescribeInstances, DescribeInstanceStatus, StartInstance, StopInstance.
#include <utility>

#include "blkrewind/text.h"
#include "cli/serve/action_parts.h"
#include "cli/serve/actions.h"
#include "cli/serve/api_errors.h"

namespace blkrewind::serve {
namespace {

constexpr std::size_t kStatusIdsMax = 50;
constexpr std::uint64_t kStatusPageMax = 50;

constexpr ApiText kMalformedInstanceIds{ApiCode::kMalformedInstanceIds,
                                        "The specified InstanceIds is not valid."};

Json json_of(const ActionContext& context, const InstanceInfo& instance) {
  Json row;
  row["InstanceId"] = instance.id;
  row["InstanceName"] = instance.name;
  row["RegionId"] = context.region;
  row["Status"] = instance.status;
  row["InstanceChargeType"] = instance.expires_at != 0 ? "PrePaid" : "PostPaid";
  row["ExpiredTime"] = time_text(instance.expires_at);
  row["CreationTime"] = time_text(instance.created_at);
  row["OperationLocks"]["LockReason"] = locks_json(instance.locks);
  return row;
}

Result<std::string> instance_id_of(const Parameters& parameters) {
  BLKREWIND_ASSIGN(std::string id, parameters.need("InstanceId"));
  if (!is_valid_id("i-", id) && id != "i-local") return fail(no_such_instance());
  return id;
}

}  // namespace

Result<Json> describe_instances(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_TRY(parameters.need("RegionId"));
  BLKREWIND_ASSIGN(const Page page, page_of(parameters));
  BLKREWIND_ASSIGN(const auto ids,
                   parameters.json_ids("InstanceIds", kIdsMax, api_error(kMalformedInstanceIds)));
  const auto status = parameters.find("Status");
  const auto name = parameters.find("InstanceName");
  BLKREWIND_ASSIGN(const auto instances, context.engine.instances());
  std::vector<Json> rows;
  for (const InstanceInfo& instance : instances) {
    if (!passes(ids, instance.id)) continue;
    if (status && *status != instance.status) continue;
    if (name && *name != instance.name) continue;
    rows.push_back(json_of(context, instance));
  }
  return paged(page, rows, "Instances", "Instance");
}

Result<Json> describe_instance_status(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_TRY(parameters.need("RegionId"));
  BLKREWIND_ASSIGN(const Page page, page_of(parameters, kStatusPageMax));
  BLKREWIND_ASSIGN(auto ids, parameters.list("InstanceId", "", kStatusIdsMax));
  std::optional<std::vector<std::string>> wanted;
  if (!ids.empty()) wanted = std::move(ids);
  BLKREWIND_ASSIGN(const auto instances, context.engine.instances());
  std::vector<Json> rows;
  for (const InstanceInfo& instance : instances) {
    if (!passes(wanted, instance.id)) continue;
    rows.push_back({{"InstanceId", instance.id}, {"Status", instance.status}});
  }
  return paged(page, rows, "InstanceStatuses", "InstanceStatus");
}

Result<Json> start_instance(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const std::string id, instance_id_of(parameters));
  BLKREWIND_ASSIGN(const bool dry_run, parameters.boolean("DryRun"));
  BLKREWIND_TRY(context.engine.start_instance(id, dry_run));
  return nothing();
}

Result<Json> stop_instance(const ActionContext& context, const Parameters& parameters) {
  BLKREWIND_ASSIGN(const std::string id, instance_id_of(parameters));
  BLKREWIND_ASSIGN(const bool dry_run, parameters.boolean("DryRun"));
  BLKREWIND_TRY(context.engine.stop_instance(id, dry_run));
  return nothing();
}

}  // namespace blkrewind::serve
