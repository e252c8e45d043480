// One run of the program: where output goes, and how commands open the store.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "blkrewind/engine.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"

namespace blkrewind::cli {

// Not thread-safe; one thread runs one command. Does not own the streams.
class Session {
 public:
  Session(const GlobalOptions& options, std::FILE* out, std::FILE* err);

  [[nodiscard]] const GlobalOptions& options() const { return options_; }
  [[nodiscard]] bool json() const { return options_.json; }
  [[nodiscard]] const std::string& store() const { return store_; }
  // The same options, for a process that works in another folder.
  [[nodiscard]] GlobalOptions options_anywhere() const;

  // `create`: create the store if there is none. kInvalidArgument for an invalid environment
  // variable, otherwise the errors of Engine::open.
  [[nodiscard]] Result<Engine> open(bool create = false,
                                    std::uint64_t buffer_bytes = kDefaultBufferBytes) const;

  // Engine::upgrade_store of this run's store.
  [[nodiscard]] Result<UpgradeReceipt> upgrade() const;

  // For a command that creates the store if there is none: not if the target does not exist either.
  [[nodiscard]] Result<Engine> open_for(const std::string& target) const;

  // The cancel flag of the signals, and the progress bar on a terminal.
  [[nodiscard]] Monitor monitor();
  void erase_progress() { progress_.erase(); }

  // The result of a command that changed something: JSON, or text that -q omits. If it cannot be
  // written, the error says that the command itself has succeeded.
  [[nodiscard]] Status receipt(const Json& json, const std::string& text);
  // The result of a command that shows information: JSON, or text, always.
  [[nodiscard]] Status answer(const Json& json, const std::string& text);

  [[nodiscard]] Writer& out() { return out_; }
  [[nodiscard]] Writer& err() { return err_; }

  // "--store DIR" for suggested commands to find the store of this run; empty for the default one.
  [[nodiscard]] std::string store_option() const;
  // "blkrewind undo /dev/loop0", with that option.
  [[nodiscard]] std::string command_line(Verb verb, const std::string& target) const;

 private:
  GlobalOptions options_;
  std::string store_;
  Writer out_;
  Writer err_;
  ProgressBar progress_;
};

// A command that was chosen on the command line, with its arguments.
using Command = std::function<Status(Session&)>;

}  // namespace blkrewind::cli
