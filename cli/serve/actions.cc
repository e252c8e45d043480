#include "cli/serve/actions.h"

#include <map>

namespace blkrewind::serve {
namespace {

const std::map<std::string_view, Action>& table() {
  static const std::map<std::string_view, Action> actions = {
      {"AttachDisk", attach_disk},
      {"CreateSnapshot", create_snapshot},
      {"DeleteSnapshot", delete_snapshot},
      {"DescribeDisks", describe_disks},
      {"DescribeInstanceStatus", describe_instance_status},
      {"DescribeInstances", describe_instances},
      {"DescribeSnapshots", describe_snapshots},
      {"DetachDisk", detach_disk},
      {"ResetDisk", reset_disk},
      {"ResetDisks", reset_disks},
      {"StartInstance", start_instance},
      {"StopInstance", stop_instance},
  };
  return actions;
}

}  // namespace

Action find_action(std::string_view name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : found->second;
}

std::vector<std::string> action_names() {
  std::vector<std::string> names;
  for (const auto& [name, action] : table()) names.emplace_back(name);
  return names;
}

}  // namespace blkrewind::serve
