// instance create|start|stop|lock|unlock|set|show|delete
#include "cli/commands.h"
#include "cli/receipts.h"
#include "cli/sizes.h"
#include "cli/times.h"

namespace blkrewind::cli {
namespace {

// The instance after a change.
Status report_instance(Session& session, Engine& engine, const std::string& id) {
  BLKREWIND_ASSIGN(const InstanceInfo instance, engine.instance(id));
  return session.receipt(json_of(instance), text_of(instance));
}

struct InstanceArguments {
  std::string id;
  std::string reason = "security";
  std::string expires_at;
  std::string arrears;
  std::optional<std::string> name;
};

Status run_create(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open(true));
  BLKREWIND_ASSIGN(const InstanceInfo instance,
                   engine.create_instance(arguments.id, arguments.name.value_or("")));
  return session.receipt(json_of(instance), text_of(instance));
}

Status run_start(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.start_instance(arguments.id));
  return report_instance(session, engine, arguments.id);
}

Status run_stop(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.stop_instance(arguments.id));
  return report_instance(session, engine, arguments.id);
}

Status run_lock(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.lock_instance(arguments.id, arguments.reason));
  return report_instance(session, engine, arguments.id);
}

Status run_unlock(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.unlock_instance(arguments.id, arguments.reason));
  return report_instance(session, engine, arguments.id);
}

Status run_set(Session& session, const InstanceArguments& arguments) {
  InstanceChange change;
  change.name = arguments.name;
  if (arguments.expires_at == "never") {
    change.expires_at = 0;
  } else if (!arguments.expires_at.empty()) {
    BLKREWIND_ASSIGN(change.expires_at, parse_time(arguments.expires_at));
    if (*change.expires_at <= 0) {
      return fail(Errc::kInvalidArgument, "invalid time: it is before 1970-01-01T00:00:01Z",
                  "write never for an instance that never expires");
    }
  }
  if (!arguments.arrears.empty()) {
    BLKREWIND_ASSIGN(change.in_arrears, parse_yes_no(arguments.arrears));
  }
  if (!change.name && !change.expires_at && !change.in_arrears) {
    return fail(Errc::kInvalidArgument, "nothing to set", "give --name, --expires-at or --arrears");
  }
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.change_instance(arguments.id, change));
  return report_instance(session, engine, arguments.id);
}

Status run_show_instance(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  if (!arguments.id.empty()) {
    BLKREWIND_ASSIGN(const InstanceInfo instance, engine.instance(arguments.id));
    return session.answer(json_of(instance), text_of(instance));
  }
  BLKREWIND_ASSIGN(const std::vector<InstanceInfo> instances, engine.instances());
  Json list = Json::array();
  for (const InstanceInfo& instance : instances) list.push_back(json_of(instance));
  Json json;
  json["instances"] = std::move(list);
  return session.answer(json, text_of(instances));
}

Status run_delete_instance(Session& session, const InstanceArguments& arguments) {
  BLKREWIND_ASSIGN(Engine engine, session.open());
  BLKREWIND_TRY(engine.delete_instance(arguments.id));
  Json json;
  json["instance_id"] = arguments.id;
  json["deleted"] = true;
  return session.receipt(json, "deleted instance " + printable(arguments.id) + "\n");
}

void add_id(CommandSyntax command, InstanceArguments* arguments) {
  command.add_option("ID", arguments->id, "Instance id (i-...)").required();
}

void add_reason(CommandSyntax command, InstanceArguments* arguments) {
  command.add_option("--reason", arguments->reason, "LockReason: security, financial, ...")
      .show_default();
}

}  // namespace

void add_instance_commands(CommandSyntax app, Command& chosen) {
  const CommandSyntax instance =
      app.add_group("instance", "Manage instances, to which disks are attached", "instance show");
  {
    auto [command, arguments] = add_command<InstanceArguments>(
        instance, chosen, "create", "Create an instance; its initial status is Stopped",
        "instance create i-web1 --name web", run_create);
    add_id(command, arguments);
    command.add_option("--name", arguments->name, "Display name");
  }
  {
    auto [command, arguments] = add_command<InstanceArguments>(instance, chosen, "start",
                                                               "Record that an instance is Running",
                                                               "instance start i-web1", run_start);
    add_id(command, arguments);
  }
  {
    auto [command, arguments] = add_command<InstanceArguments>(instance, chosen, "stop",
                                                               "Record that an instance is Stopped",
                                                               "instance stop i-web1", run_stop);
    add_id(command, arguments);
  }
  {
    auto [command, arguments] = add_command<InstanceArguments>(
        instance, chosen, "lock", "Lock an instance; a security lock forbids rollbacks",
        "instance lock i-web1 --reason security", run_lock);
    add_id(command, arguments);
    add_reason(command, arguments);
  }
  {
    auto [command, arguments] =
        add_command<InstanceArguments>(instance, chosen, "unlock", "Remove a lock",
                                       "instance unlock i-web1 --reason security", run_unlock);
    add_id(command, arguments);
    add_reason(command, arguments);
  }
  {
    auto [command, arguments] = add_command<InstanceArguments>(
        instance, chosen, "set", "Change name, expiry or arrears of an instance",
        "instance set i-web1 --expires-at 2030-01-01T00:00:00Z", run_set);
    add_id(command, arguments);
    command.add_option("--name", arguments->name, "Display name");
    command.add_option("--expires-at", arguments->expires_at, "A time, or never");
    command.add_option("--arrears", arguments->arrears, "yes or no");
  }
  {
    auto [command, arguments] =
        add_command<InstanceArguments>(instance, chosen, "show", "Show one instance, or all",
                                       "instance show i-web1", run_show_instance);
    command.add_option("ID", arguments->id, "Instance id (all)");
  }
  {
    auto [command, arguments] =
        add_command<InstanceArguments>(instance, chosen, "delete", "Delete an instance",
                                       "instance delete i-web1", run_delete_instance);
    add_id(command, arguments);
  }
}

}  // namespace blkrewind::cli
