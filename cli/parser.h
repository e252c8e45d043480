// What may stand on the command line, and what did. CLI11 is behind it, and included by parser.cc
// alone: it takes a compiler longer than all the commands together.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace blkrewind::cli {

// An option ("--name", "-q,--quiet") or an argument without a dash ("TARGET"). Like CommandSyntax a
// handle, copied freely, that is valid as long as its parser.
class OptionSyntax {
 public:
  explicit OptionSyntax(CLI::Option* option) : option_(option) {}

  OptionSyntax required() const;
  OptionSyntax one_of(std::initializer_list<const char*> words) const;
  OptionSyntax value_name(const char* name) const;  // in --help, where it is not the option's name
  OptionSyntax show_default() const;                // in --help: what the variable holds now
  OptionSyntax excludes(OptionSyntax other) const;

 private:
  CLI::Option* option_;
};

// A command, a group of commands ("disk"), or the program itself. What is parsed into must live as
// long as the parser.
class CommandSyntax {
 public:
  explicit CommandSyntax(CLI::App* app) : app_(app) {}

  OptionSyntax add_option(const char* names, std::string& value, const std::string& help) const;
  OptionSyntax add_option(const char* names, std::optional<std::string>& value,
                          const std::string& help) const;
  OptionSyntax add_option(const char* names, std::vector<std::string>& values,
                          const std::string& help) const;
  OptionSyntax add_option(const char* names, unsigned& value, const std::string& help) const;
  OptionSyntax add_option(const char* names, std::uint64_t& value, const std::string& help) const;
  OptionSyntax add_flag(const char* names, bool& given, const std::string& help) const;
  OptionSyntax add_counter(const char* names, int& times, const std::string& help) const;

  CommandSyntax add_group(const std::string& name, const std::string& summary,
                          const std::string& example = {}) const;
  // `on_chosen` is called when this command was given, with its arguments parsed.
  CommandSyntax add_command(const std::string& name, const std::string& summary,
                            const std::string& example, std::function<void()> on_chosen) const;

 private:
  CLI::App* app_;
};

// What the words of a command line are.
struct Parsed {
  enum class Kind {
    kCommand,  // its `on_chosen` was called
    kText,     // --help or --version: `text` is to be printed, and nothing else to be done
    kMistake,  // `text` says what is wrong, in one line
  };
  Kind kind = Kind::kCommand;
  std::string text;
  std::string command;  // the deepest that was recognized, for its --help: "blkrewind disk attach"
};

// Not thread-safe.
class Parser {
 public:
  // The options that every command shares are parsed into `options`.
  explicit Parser(GlobalOptions& options);
  ~Parser();

  // To add the commands to.
  [[nodiscard]] CommandSyntax program() const;

  // Once, after all commands were added. `arguments`: without the name of the program.
  [[nodiscard]] Parsed parse(std::vector<std::string> arguments);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace blkrewind::cli
