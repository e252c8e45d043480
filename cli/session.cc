#include "cli/session.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/remedy_text.h"
#include "cli/signals.h"
#include "cli/sizes.h"

namespace blkrewind::cli {
namespace {

constexpr unsigned kMaxThreads = 64;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string store_of(const GlobalOptions& options) {
  if (!options.store.empty()) return options.store;
  const std::string store = environment("BLKREWIND_STORE");
  return store.empty() ? kDefaultStore : store;
}

bool wants_bar(const GlobalOptions& options, const Writer& err) {
  // Log messages and a progress bar on one terminal would garble each other.
  return !options.quiet && !options.json && options.verbosity == 0 && err.is_terminal() &&
         environment("TERM") != "dumb";
}

Result<bool> switch_in_environment(const char* name) {
  const std::string value = environment(name);
  if (value.empty()) return false;
  auto on = parse_yes_no(value);
  if (!on) return fail(std::move(on).error().while_doing(std::string("reading $") + name));
  return *on;
}

Result<unsigned> threads_in_environment() {
  const std::string value = environment("BLKREWIND_THREADS");
  if (value.empty()) return 0U;
  unsigned threads = 0;
  const char* const end = value.data() + value.size();
  const auto [last, error] = std::from_chars(value.data(), end, threads);
  if (error != std::errc{} || last != end || threads > kMaxThreads) {
    return fail(Errc::kInvalidArgument,
                "invalid number of threads in $BLKREWIND_THREADS: \"" + value + "\"",
                "unset it, or set it to a number up to " + std::to_string(kMaxThreads));
  }
  return threads;
}

}  // namespace

Session::Session(const GlobalOptions& options, std::FILE* out, std::FILE* err)
    : options_(options),
      store_(store_of(options)),
      out_(out, "standard output"),
      err_(err, "standard error"),
      progress_(err, wants_bar(options, err_)) {}

Result<Engine> Session::open(bool create, std::uint64_t buffer_bytes) const {
  OpenOptions open;
  open.store = store_;
  open.create = create;
  open.buffer_bytes = buffer_bytes;
  BLKREWIND_ASSIGN(open.threads, threads_in_environment());
  BLKREWIND_ASSIGN(const bool no_io_uring, switch_in_environment("BLKREWIND_NO_IO_URING"));
  open.allow_io_uring = !no_io_uring;
  BLKREWIND_ASSIGN(open.accept_available_disks,
                   switch_in_environment("BLKREWIND_ACCEPT_AVAILABLE"));
  return Engine::open(open);
}

Result<UpgradeReceipt> Session::upgrade() const {
  OpenOptions open;
  open.store = store_;
  BLKREWIND_ASSIGN(const bool no_io_uring, switch_in_environment("BLKREWIND_NO_IO_URING"));
  open.allow_io_uring = !no_io_uring;
  return Engine::upgrade_store(open);
}

Result<Engine> Session::open_for(const std::string& target) const {
  auto engine = open();
  if (engine || engine.error().code != Errc::kNotFound) return engine;
  struct stat status = {};
  if (stat(target.c_str(), &status) != 0) {
    Error error = system_error(errno, "cannot find " + target);
    if (errno == ENOENT)
      error.remedy = run_program("check the name among the block devices", "lsblk");
    return fail(std::move(error));
  }
  if (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode)) {
    return fail(
        Errc::kInvalidArgument, target + " is neither a block device nor an image file",
        run_program("name one of the block devices", "lsblk").or_else("name an image file"));
  }
  return open(true);
}

GlobalOptions Session::options_anywhere() const {
  GlobalOptions options = options_;
  std::error_code error;
  options.store = std::filesystem::absolute(store_, error);
  if (error) options.store = store_;
  return options;
}

Monitor Session::monitor() {
  Monitor monitor;
  monitor.cancel = &cancel_flag();
  if (progress_.enabled()) {
    monitor.progress = [this](const Progress& progress) { progress_.update(progress); };
  }
  return monitor;
}

Status Session::receipt(const Json& json, const std::string& text) {
  if (options_.quiet && !options_.json) return {};
  Status written = answer(json, text);
  if (written) return {};
  Error error = std::move(written).error();
  error.message = "the command succeeded, but its receipt could not be written: " + error.message;
  error.remedy = Remedy(Verb::kList, "do not run it again for that, but see what there is now")
                     .or_else({Verb::kInstanceShow, "see the instances"});
  return fail(std::move(error));
}

Status Session::answer(const Json& json, const std::string& text) {
  erase_progress();
  BLKREWIND_TRY(out_.write(options_.json ? dump(json) + "\n" : text));
  return out_.flush();
}

std::string Session::store_option() const {
  // $BLKREWIND_STORE may not be set in the shell where the command is run.
  const bool default_one = options_.store.empty() && store_ == kDefaultStore;
  return default_one ? std::string() : "--store " + shell_word(store_);
}

std::string Session::command_line(Verb verb, const std::string& target) const {
  return command_of(Remedy(verb, {}, {{Parameter::kTarget, target}}).steps.front(), store_option());
}

}  // namespace blkrewind::cli
