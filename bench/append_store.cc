// Appends small records to the log that holds a disk, in this process, and prints one JSON object:
//
//   append_store STORE DISK count N            the seconds of each of N appends
//   append_store STORE DISK checkpoint SECONDS  bytes of the log before and after the checkpoint
//   that the
//                                               appends bring about; without "checkpoint_bytes" if
//                                               there was none in that time
//
// A record puts the disk again as it is, so that the store stays the same and only its log grows.
// No other process may use the store. For scripts/bench-store.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "format/records.h"
#include "io/env.h"
#include "store/store.h"

namespace blkrewind::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// The log of one disk: everything here that knows how a store keeps its records.
class DiskLog {
 public:
  static Result<DiskLog> open(io::Env& env, const std::string& path, std::string_view id) {
    BLKREWIND_ASSIGN(auto store, store::Store::open(env, path));
    for (const auto held = store->disks(); const auto& [number, disk] : held->disks) {
      if (disk.id != id) continue;
      BLKREWIND_ASSIGN(auto history, store->history(number));
      return DiskLog(std::move(store), std::move(history));
    }
    return fail(Errc::kNotFound, "there is no disk " + std::string(id) + " in " + path);
  }

  Status append() {
    return history_->log().update([&](const store::State& state) -> Result<format::Transaction> {
      return format::Transaction{*state.disk(history_->disk())};
    });
  }

  Result<std::uint64_t> size_bytes() { return history_->log().size_bytes(); }

 private:
  DiskLog(std::unique_ptr<store::Store> store, std::shared_ptr<store::History> history)
      : store_(std::move(store)), history_(std::move(history)) {}

  std::unique_ptr<store::Store> store_;
  std::shared_ptr<store::History> history_;
};

Status time_appends(DiskLog& log, std::uint64_t count) {
  std::string seconds;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    BLKREWIND_TRY(log.append());
    seconds += (i > 0 ? ", " : "") + std::to_string(Seconds(Clock::now() - start).count());
  }
  std::printf("{\"seconds\": [%s]}\n", seconds.c_str());
  return {};
}

Status grow(DiskLog& log, std::uint64_t seconds_max) {
  const auto start = Clock::now();
  const auto passed = [&] { return Seconds(Clock::now() - start).count(); };
  std::uint64_t appends = 0;
  std::uint64_t grown = 0;
  std::optional<std::uint64_t> checkpoint;
  BLKREWIND_ASSIGN(std::uint64_t size, log.size_bytes());
  while (!checkpoint && passed() < static_cast<double>(seconds_max)) {
    grown = size;
    BLKREWIND_TRY(log.append());
    ++appends;
    BLKREWIND_ASSIGN(size, log.size_bytes());
    if (size < grown) checkpoint = size;
  }
  const std::string after =
      checkpoint ? ", \"checkpoint_bytes\": " + std::to_string(*checkpoint) : "";
  std::printf("{\"appends\": %llu, \"elapsed_seconds\": %.3f, \"log_bytes\": %llu%s}\n",
              static_cast<unsigned long long>(appends), passed(),
              static_cast<unsigned long long>(checkpoint ? grown : size), after.c_str());
  return {};
}

Status run(const char* path, const char* disk, bool until_checkpoint, std::uint64_t number) {
  const auto env = io::make_local_env();
  BLKREWIND_ASSIGN(DiskLog log, DiskLog::open(*env, path, disk));
  return until_checkpoint ? grow(log, number) : time_appends(log, number);
}

}  // namespace
}  // namespace blkrewind::bench

int main(int argc, char** argv) {
  const std::string_view mode = argc == 5 ? argv[3] : "";
  const std::string_view text = argc == 5 ? argv[4] : "";
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if ((mode != "count" && mode != "checkpoint") || error != std::errc{} ||
      end != text.data() + text.size() || number == 0) {
    std::fprintf(stderr, "usage: append_store STORE DISK count N | checkpoint SECONDS\n");
    return 2;
  }
  const auto done = blkrewind::bench::run(argv[1], argv[2], mode == "checkpoint", number);
  if (!done) {
    std::fprintf(stderr, "append_store: %s\n", done.error().message.c_str());
    return 1;
  }
  return 0;
}
