#include "cli/program.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/parser.h"
#include "cli/signals.h"

namespace blkrewind::cli {
namespace {

// "--store=": the parser would take the next word for the value.
Status check_no_empty_value(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (!argument.starts_with("--") || argument.find('=') != argument.size() - 1) continue;
    return fail(Errc::kInvalidArgument, argument + ": its value is empty", "blkrewind --help");
  }
  return {};
}

// The same check for the variable that names the store.
Status check_store_variable(const GlobalOptions& options) {
  const char* const store = std::getenv("BLKREWIND_STORE");
  if (!options.store.empty() || store == nullptr || *store != '\0') return {};
  return fail(Errc::kInvalidArgument, "$BLKREWIND_STORE is set, but empty",
              "set it to the store's folder, or unset it, or give --store");
}

LogLevel log_level_of(const GlobalOptions& options) {
  if (options.verbosity >= 2) return LogLevel::kDebug;
  if (options.verbosity == 1) return LogLevel::kInfo;
  // With --json, standard error is one object; nothing else may be written to it unless requested.
  return options.quiet || options.json ? LogLevel::kOff : LogLevel::kWarning;
}

int report(const Error& error, bool json, Writer& err, const std::string& store_option = {}) {
  const Status written =
      err.write(json ? error_json(error, store_option) : error_text(error, store_option));
  // There is no stream left for a message; the exit status has to be enough.
  static_cast<void>(written);
  return exit_status(error, caught_signal());
}

int run(std::vector<std::string> arguments, bool wants_json, std::FILE* out, std::FILE* err) {
  if (const Status given = check_no_empty_value(arguments); !given) {
    Writer writer(err, "standard error");
    return report(given.error(), wants_json, writer);
  }
  GlobalOptions options;
  Command chosen;
  Parser parser(options);
  const CommandSyntax program = parser.program();
  add_snapshot_commands(program, chosen);
  add_rollback_commands(program, chosen);
  add_image_commands(program, chosen);
  add_store_commands(program, chosen);
  add_disk_commands(program, chosen);
  add_track_commands(program, chosen);
  add_instance_commands(program, chosen);
  add_look_commands(program, chosen);
  add_mount_command(program, chosen);
  add_thaw_command(program, chosen);
  add_serve_command(program, chosen);

  const Parsed parsed = parser.parse(std::move(arguments));
  if (parsed.kind == Parsed::Kind::kText) {
    Writer plain_out(out, "standard output");
    Status written = plain_out.write(parsed.text);
    if (written) written = plain_out.flush();
    if (written) return kExitDone;
    Writer plain_err(err, "standard error");
    return report(written.error(), wants_json, plain_err);
  }
  if (parsed.kind == Parsed::Kind::kMistake) {
    Error error;
    error.code = Errc::kInvalidArgument;
    error.message = parsed.text;
    error.remedy = parsed.command + " --help";
    Writer plain_err(err, "standard error");
    return report(error, wants_json, plain_err);
  }

  set_log_level(log_level_of(options));
  Session session(options, out, err);
  Status done = check_store_variable(options);
  if (done) done = chosen(session);
  session.erase_progress();
  if (done) return kExitDone;
  return report(done.error(), options.json, session.err(), session.store_option());
}

}  // namespace

int run_program(std::vector<std::string> arguments, std::FILE* out, std::FILE* err) {
  // For errors of the parser itself, which occur before its options are known.
  const auto last = std::find(arguments.begin(), arguments.end(), "--");
  const bool wants_json = std::find(arguments.begin(), last, "--json") != last;
  Error error;
  try {
    return run(std::move(arguments), wants_json, out, err);
  } catch (const std::bad_alloc&) {
    error = system_error(ENOMEM, "out of memory");
  } catch (const std::exception& exception) {
    error.message = exception.what();
  } catch (...) {
    error.message = "an unknown exception";
  }
  Writer writer(err, "standard error");
  return report(error, wants_json, writer);
}

}  // namespace blkrewind::cli
