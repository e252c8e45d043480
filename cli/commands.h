// The commands: each function adds some to the parser. A parsed command stores the function to run
// in `chosen`, which must live as long as the parser.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "cli/parser.h"
#include "cli/session.h"

namespace blkrewind::cli {

void add_snapshot_commands(CommandSyntax app, Command& chosen);  // snapshot, list, diff, delete
void add_image_commands(CommandSyntax app, Command& chosen);     // export, import
void add_rollback_commands(CommandSyntax app, Command& chosen);  // rollback, undo, resume, clone
void add_store_commands(CommandSyntax app, Command& chosen);  // verify, store init|info|gc|upgrade
void add_disk_commands(CommandSyntax app, Command& chosen);
void add_track_commands(CommandSyntax app, Command& chosen);
void add_instance_commands(CommandSyntax app, Command& chosen);
void add_look_commands(CommandSyntax app, Command& chosen);  // open, close
void add_mount_command(CommandSyntax app, Command& chosen);
void add_thaw_command(CommandSyntax app, Command& chosen);
void add_serve_command(CommandSyntax app, Command& chosen);

// One command with its example for --help. The options are parsed into `Arguments`, which is passed
// to `run` if this command was chosen.
template <class Arguments, class Run>
std::pair<CommandSyntax, Arguments*> add_command(CommandSyntax parent, Command& chosen,
                                                 const std::string& name,
                                                 const std::string& summary,
                                                 const std::string& example, Run run) {
  auto arguments = std::make_shared<Arguments>();
  const CommandSyntax command =
      parent.add_command(name, summary, example, [&chosen, arguments, run] {
        chosen = [arguments, run](Session& session) -> Status { return run(session, *arguments); };
      });
  return {command, arguments.get()};
}

}  // namespace blkrewind::cli
