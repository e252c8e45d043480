#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <utility>

#include "blkrewind/engine.h"
#include "cli/output.h"

namespace blkrewind::cli {
namespace {

constexpr const char* kAbout =
    "Undo for Linux block devices: take a snapshot of a device, and roll the device back to it by "
    "writing only what changed.";

constexpr const char* kFooter =
    "TARGET is a block device, an image file or a disk id (d-...). SNAPSHOT is an id (s-...), a "
    "name, "
    "or latest.\n"
    "Exit status: 0 done, 2 usage, 3 refused, 4 I/O error, 5 integrity, 6 busy.\n"
    "Example:\n"
    "  blkrewind snapshot /dev/loop0 --name before-upgrade";

void add_global_options(CommandSyntax program, GlobalOptions& options) {
  program
      .add_option(
          "--store", options.store,
          std::string("Directory of the store ($BLKREWIND_STORE, else ") + kDefaultStore + ")")
      .value_name("DIR");
  program.add_flag("--json", options.json, "Print results and errors as one JSON object");
  const OptionSyntax quiet =
      program.add_flag("-q,--quiet", options.quiet, "Print no receipts and no progress");
  program
      .add_counter("-v,--verbose", options.verbosity,
                   "Log operations to standard error; twice: log everything")
      .excludes(quiet);
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

Parsed mistake(const CLI::App& app, const CLI::ParseError& error) {
  Parsed parsed{
      .kind = Parsed::Kind::kMistake, .text = error.what(), .command = recognized_command(app)};
  std::replace(parsed.text.begin(), parsed.text.end(), '\n', ' ');
  // CLI11 says that a command is missing also where a word is no command.
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) &&
      parsed.text.find("ubcommand") != std::string::npos) {
    const std::vector<std::string> left_over = app.remaining(true);
    parsed.text = left_over.empty() ? "a command is missing after \"" + parsed.command + "\""
                                    : "there is no command \"" + parsed.command + " " +
                                          printable(left_over.front()) + "\"";
  }
  return parsed;
}

std::string example_footer(const std::string& example) {
  return "Example:\n  blkrewind " + example;
}

}  // namespace

OptionSyntax OptionSyntax::required() const { return OptionSyntax(option_->required()); }

OptionSyntax OptionSyntax::one_of(std::initializer_list<const char*> words) const {
  return OptionSyntax(
      option_->check(CLI::IsMember(std::vector<std::string>(words.begin(), words.end()))));
}

OptionSyntax OptionSyntax::value_name(const char* name) const {
  return OptionSyntax(option_->type_name(name));
}

OptionSyntax OptionSyntax::show_default() const {
  return OptionSyntax(option_->capture_default_str());
}

OptionSyntax OptionSyntax::excludes(OptionSyntax other) const {
  return OptionSyntax(option_->excludes(other.option_));
}

OptionSyntax CommandSyntax::add_option(const char* names, std::string& value,
                                       const std::string& help) const {
  return OptionSyntax(app_->add_option(names, value, help));
}

OptionSyntax CommandSyntax::add_option(const char* names, std::optional<std::string>& value,
                                       const std::string& help) const {
  return OptionSyntax(app_->add_option(names, value, help));
}

OptionSyntax CommandSyntax::add_option(const char* names, std::vector<std::string>& values,
                                       const std::string& help) const {
  return OptionSyntax(app_->add_option(names, values, help));
}

OptionSyntax CommandSyntax::add_option(const char* names, unsigned& value,
                                       const std::string& help) const {
  return OptionSyntax(app_->add_option(names, value, help));
}

OptionSyntax CommandSyntax::add_option(const char* names, std::uint64_t& value,
                                       const std::string& help) const {
  return OptionSyntax(app_->add_option(names, value, help));
}

OptionSyntax CommandSyntax::add_flag(const char* names, bool& given,
                                     const std::string& help) const {
  return OptionSyntax(app_->add_flag(names, given, help));
}

OptionSyntax CommandSyntax::add_counter(const char* names, int& times,
                                        const std::string& help) const {
  return OptionSyntax(app_->add_flag(names, times, help));
}

CommandSyntax CommandSyntax::add_group(const std::string& name, const std::string& summary,
                                       const std::string& example) const {
  CLI::App* const group = app_->add_subcommand(name, summary);
  if (!example.empty()) group->footer(example_footer(example));
  group->require_subcommand(1);
  return CommandSyntax(group);
}

CommandSyntax CommandSyntax::add_command(const std::string& name, const std::string& summary,
                                         const std::string& example,
                                         std::function<void()> on_chosen) const {
  CLI::App* const command = app_->add_subcommand(name, summary);
  command->footer(example_footer(example));
  command->callback(std::move(on_chosen));
  return CommandSyntax(command);
}

Parser::Parser(GlobalOptions& options) : app_(std::make_unique<CLI::App>(kAbout, "blkrewind")) {
  app_->footer(kFooter);
  app_->fallthrough();  // global options are accepted after the command as well
  app_->require_subcommand(1);
  app_->get_formatter()->label("SUBCOMMAND", "COMMAND");
  app_->get_formatter()->label("Subcommands", "Commands");
  app_->get_formatter()->label("REQUIRED", "(required)");
  add_global_options(program(), options);
  app_->set_version_flag("--version", std::string("blkrewind ") + version(), "Show the version");
  app_->set_help_flag("-h,--help", "Show this help");
}

Parser::~Parser() = default;

CommandSyntax Parser::program() const { return CommandSyntax(app_.get()); }

Parsed Parser::parse(std::vector<std::string> arguments) {
  name_values(*app_);
  refuse_empty_values(*app_);
  std::reverse(arguments.begin(), arguments.end());  // the order that CLI11 wants
  try {
    app_->parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return {.kind = Parsed::Kind::kText, .text = app_->help(), .command = {}};
  } catch (const CLI::CallForVersion& call) {
    return {.kind = Parsed::Kind::kText, .text = std::string(call.what()) + "\n", .command = {}};
  } catch (const CLI::ParseError& error) {
    return mistake(*app_, error);
  }
  return {};
}

}  // namespace blkrewind::cli
