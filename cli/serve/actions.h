// The actions of the API: parameters -> Engine -> the fields of the answer.
//
// No rule of ResetDisk is here: those are in the Engine. Fields, paging and filters are those of
// the API, product ECS, version 2014-05-26. Any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/engine.h"
#include "cli/serve/answer.h"
#include "cli/serve/jobs.h"
#include "cli/serve/parameters.h"

namespace blkrewind::serve {

// The context of an action; all of it outlives the call.
struct ActionContext {
  Engine& engine;
  Jobs& jobs;
  const std::string& region;
  const std::string& request_id;
};

using Action = Result<Json> (*)(const ActionContext&, const Parameters&);

// null: this server has no action of that name.
[[nodiscard]] Action find_action(std::string_view name);
[[nodiscard]] std::vector<std::string> action_names();

// actions_reset.cc
[[nodiscard]] Result<Json> reset_disk(const ActionContext& context, const Parameters& parameters);
[[nodiscard]] Result<Json> reset_disks(const ActionContext& context, const Parameters& parameters);
// actions_snapshot.cc
[[nodiscard]] Result<Json> create_snapshot(const ActionContext& context,
                                           const Parameters& parameters);
[[nodiscard]] Result<Json> delete_snapshot(const ActionContext& context,
                                           const Parameters& parameters);
[[nodiscard]] Result<Json> describe_snapshots(const ActionContext& context,
                                              const Parameters& parameters);
// actions_disk.cc
[[nodiscard]] Result<Json> describe_disks(const ActionContext& context,
                                          const Parameters& parameters);
[[nodiscard]] Result<Json> attach_disk(const ActionContext& context, const Parameters& parameters);
[[nodiscard]] Result<Json> detach_disk(const ActionContext& context, const Parameters& parameters);
// actions_instance.cc
[[nodiscard]] Result<Json> describe_instances(const ActionContext& context,
                                              const Parameters& parameters);
[[nodiscard]] Result<Json> describe_instance_status(const ActionContext& context,
                                                    const Parameters& parameters);
[[nodiscard]] Result<Json> start_instance(const ActionContext& context,
                                          const Parameters& parameters);
[[nodiscard]] Result<Json> stop_instance(const ActionContext& context,
                                         const Parameters& parameters);

}  // namespace blkrewind::serve
