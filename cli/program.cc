#include "cli/program.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/signals.h"

namespace blkrewind::cli {
namespace {

constexpr const char* kAbout =
    "Undo for Linux block devices: take a snapshot, and bring the device back to it by moving only "
    "what changed.";

constexpr const char* kFooter =
    "TARGET is a block device, an image file or a disk id (d-...). SNAPSHOT is an id (s-...), a "
    "name, "
    "or latest.\n"
    "Exit status: 0 done, 2 usage, 3 refused, 4 I/O failed, 5 integrity, 6 busy.\n"
    "Example:\n"
    "  blkrewind snapshot /dev/loop0 --name before-upgrade";

void add_global_options(CLI::App& app, GlobalOptions& options) {
  app.add_option("--store", options.store,
                 std::string("The store's folder ($BLKREWIND_STORE, else ") + kDefaultStore + ")")
      ->type_name("DIR");
  app.add_flag("--json", options.json, "One JSON object on standard output, errors as one too");
  CLI::Option* const quiet =
      app.add_flag("-q,--quiet", options.quiet, "No receipts and no progress");
  app.add_flag("-v,--verbose", options.verbosity, "Log what is done; twice for everything")
      ->excludes(quiet);
  app.set_version_flag("--version", std::string("blkrewind ") + version(), "Show the version");
  app.set_help_flag("-h,--help", "Show this help");
}

// For --help: "--name NAME" and plain "TARGET" rather than CLI11's types.
void name_values(CLI::App& app) {
  for (CLI::Option* const option : app.get_options()) {
    if (option->get_positional()) {
      option->type_name("");
    } else if (option->get_type_name() == "TEXT") {
      std::string value = option->get_single_name();
      value = value.substr(value.rfind('-') + 1);
      std::transform(value.begin(), value.end(), value.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      option->type_name(value);
    }
  }
  for (CLI::App* const command : app.get_subcommands([](CLI::App*) { return true; })) {
    name_values(*command);
  }
}

// An empty value is a variable that was not set, in a script; to take it for a missing option or
// argument would be another command than the one that was meant.
void refuse_empty_values(CLI::App& app) {
  for (CLI::Option* const option : app.get_options()) {
    if (option->get_items_expected_max() == 0) continue;
    option->check([](const std::string& value) {
      return std::string(value.empty() ? "its value is empty" : "");
    });
  }
  for (CLI::App* const command : app.get_subcommands([](CLI::App*) { return true; })) {
    refuse_empty_values(*command);
  }
}

// "--store=": the parser would take the next word for the value.
Status check_no_empty_value(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (!argument.starts_with("--") || argument.find('=') != argument.size() - 1) continue;
    return fail(Errc::kInvalidArgument, argument + ": its value is empty", "blkrewind --help");
  }
  return {};
}

// The same of the variable that names the store.
Status check_store_variable(const GlobalOptions& options) {
  const char* const store = std::getenv("BLKREWIND_STORE");
  if (!options.store.empty() || store == nullptr || *store != '\0') return {};
  return fail(Errc::kInvalidArgument, "$BLKREWIND_STORE is set, but empty",
              "set it to the store's folder, or unset it, or give --store");
}

LogLevel log_level_of(const GlobalOptions& options) {
  if (options.verbosity >= 2) return LogLevel::kDebug;
  if (options.verbosity == 1) return LogLevel::kInfo;
  // With --json, standard error is one object; nothing else may be on it unless asked for.
  return options.quiet || options.json ? LogLevel::kOff : LogLevel::kWarning;
}

int report(const Error& error, bool json, Writer& err, const std::string& store_option = {}) {
  const Status written =
      err.write(json ? error_json(error, store_option) : error_text(error, store_option));
  // There is nowhere left to report that; the exit status says the rest.
  static_cast<void>(written);
  return exit_status(error, caught_signal());
}

// The deepest command that was recognized, for "blkrewind disk attach --help".
std::string recognized_command(const CLI::App& app) {
  std::string words = "blkrewind";
  const CLI::App* at = &app;
  while (true) {
    const auto commands = at->get_subcommands();
    if (commands.empty()) return words;
    at = commands.front();
    words += " " + at->get_name();
  }
}

Error usage_error(const CLI::App& app, const CLI::ParseError& parse_error) {
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message = parse_error.what();
  std::replace(error.message.begin(), error.message.end(), '\n', ' ');
  const std::string command = recognized_command(app);
  // CLI11 says that a command is missing also where a word is no command.
  if (parse_error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) &&
      error.message.find("ubcommand") != std::string::npos) {
    const std::vector<std::string> left_over = app.remaining(true);
    error.message = left_over.empty() ? "a command is missing after \"" + command + "\""
                                      : "there is no command \"" + command + " " +
                                            printable(left_over.front()) + "\"";
  }
  error.remedy = command + " --help";
  return error;
}

int run(std::vector<std::string> arguments, bool wants_json, std::FILE* out, std::FILE* err) {
  if (const Status given = check_no_empty_value(arguments); !given) {
    Writer writer(err, "standard error");
    return report(given.error(), wants_json, writer);
  }
  std::reverse(arguments.begin(), arguments.end());  // the order that CLI11 wants

  GlobalOptions options;
  Command chosen;
  CLI::App app(kAbout, "blkrewind");
  app.footer(kFooter);
  app.fallthrough();  // global options are accepted after the command as well
  app.require_subcommand(1);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("Subcommands", "Commands");
  app.get_formatter()->label("REQUIRED", "(required)");
  add_global_options(app, options);
  add_snapshot_commands(app, chosen);
  add_rollback_commands(app, chosen);
  add_image_commands(app, chosen);
  add_store_commands(app, chosen);
  add_disk_commands(app, chosen);
  add_track_commands(app, chosen);
  add_instance_commands(app, chosen);
  add_serve_command(app, chosen);
  name_values(app);
  refuse_empty_values(app);

  Writer plain_out(out, "standard output");
  Writer plain_err(err, "standard error");
  const auto print = [&](const std::string& text) {
    Status written = plain_out.write(text);
    if (written) written = plain_out.flush();
    return written ? static_cast<int>(kExitDone) : report(written.error(), wants_json, plain_err);
  };
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return print(app.help());  // of the command that was recognized
  } catch (const CLI::CallForVersion& call) {
    return print(std::string(call.what()) + "\n");
  } catch (const CLI::ParseError& parse_error) {
    return report(usage_error(app, parse_error), wants_json, plain_err);
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
  // For errors of the parser itself, which come before its options are known.
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
