// The commands: each function adds some to the parser. A parsed command stores the function to run
// in `chosen`, which must live as long as the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "cli/session.h"

namespace blkrewind::cli {

void add_snapshot_commands(CLI::App& app, Command& chosen);  // snapshot, list, diff, delete
void add_image_commands(CLI::App& app, Command& chosen);     // export, import
void add_rollback_commands(CLI::App& app, Command& chosen);  // rollback, undo, resume
void add_store_commands(CLI::App& app, Command& chosen);     // verify, store init|info|gc
void add_disk_commands(CLI::App& app, Command& chosen);
void add_track_commands(CLI::App& app, Command& chosen);
void add_instance_commands(CLI::App& app, Command& chosen);
void add_serve_command(CLI::App& app, Command& chosen);

// One command with its example for --help. The options are parsed into `Arguments`, which is passed
// to `run` if this command was chosen.
template <class Arguments, class Run>
std::pair<CLI::App*, Arguments*> add_command(CLI::App& parent, Command& chosen,
                                             const std::string& name, const std::string& summary,
                                             const std::string& example, Run run) {
  CLI::App* const command = parent.add_subcommand(name, summary);
  command->footer("Example:\n  blkrewind " + example);
  auto arguments = std::make_shared<Arguments>();
  command->callback([&chosen, arguments, run] {
    chosen = [arguments, run](Session& session) -> Status { return run(session, *arguments); };
  });
  return {command, arguments.get()};
}

}  // namespace blkrewind::cli
