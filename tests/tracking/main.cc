// The driver of scripts/track-stress, which creates and removes the directory. Exit status: 0
// nothing was missed, 1 a promise was violated, 2 usage, 3 it could not be run.
#include <signal.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tracking/rounds.h"

namespace blkrewind::tracking {
namespace {

std::atomic<bool> stop_now = false;

void print(const char* what, const Tally& tally) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%s: rounds %llu, barriers %llu, anchors moved %llu (snapshots %llu, rollbacks %llu), killed "
      "%llu, given up %llu; foreign writes %llu, MiB %llu; at barriers: chunks marked %llu, "
      "changed "
      "%llu, inflation %.3f\n",
      what, number(tally.rounds), number(tally.barriers), number(tally.snapshots + tally.rollbacks),
      number(tally.snapshots), number(tally.rollbacks), number(tally.deaths),
      number(tally.abandoned), number(tally.writes), number(tally.bytes / kMiB),
      number(tally.marked), number(tally.changed),
      tally.changed == 0 ? 0.0
                         : static_cast<double>(tally.marked) / static_cast<double>(tally.changed));
  std::fflush(stdout);
}

int run(const std::string& folder, std::uint64_t first_seed, std::uint64_t seconds,
        std::uint64_t slice) {
  using std::chrono::steady_clock;
  const auto end = steady_clock::now() + std::chrono::seconds(seconds);
  Tally all;
  std::uint64_t missed = 0;
  for (std::uint64_t seed = first_seed; !stop_now && steady_clock::now() < end; ++seed) {
    Case chosen;
    chosen.folder = folder + "/" + std::to_string(seed);
    chosen.seed = seed;
    // Both kinds, on the whole disk, on the partition, and on a zram device.
    const bool engine = seed % 2 == 1;
    chosen.where = seed % 5 == 4       ? Where::kOnZram
                   : seed / 2 % 2 == 1 ? Where::kOnPartition
                                       : Where::kWholeDisk;
    chosen.direct_io = seed / 4 % 2 == 1;
    chosen.until = std::min(end, steady_clock::now() + std::chrono::seconds(slice));
    chosen.stop = &stop_now;
    std::filesystem::create_directory(chosen.folder);
    Tally tally;
    const std::string what = "seed " + std::to_string(seed) + " (" +
                             (engine ? "engine" : "tracker") + ", " +
                             (chosen.where == Where::kOnZram        ? "zram"
                              : chosen.where == Where::kOnPartition ? "partition"
                                                                    : "disk") +
                             (chosen.direct_io ? ", direct" : "") + ")";
    try {
      (engine ? run_engine_rounds : run_tracker_rounds)(chosen, tally);
    } catch (const Broken& broken) {
      ++missed;
      std::printf(
          "BROKEN in round %llu of seed %llu: %s\nrepeat: scripts/track-stress --seed %llu "
          "--seconds %llu --slice %llu\n",
          static_cast<unsigned long long>(tally.rounds), static_cast<unsigned long long>(seed),
          broken.what(), static_cast<unsigned long long>(seed),
          static_cast<unsigned long long>(slice), static_cast<unsigned long long>(slice));
    }
    print(what.c_str(), tally);
    all.add(tally);
    std::filesystem::remove_all(chosen.folder);
  }
  print("all", all);
  std::printf("missed: %llu\n", static_cast<unsigned long long>(missed));
  return missed == 0 ? 0 : 1;
}

}  // namespace

void note_pins(const Case& chosen, const std::string& disk) {
  std::ofstream(chosen.folder + "/pins") << disk << "\n";
}

std::uint32_t idle_of(std::uint64_t chance) {
  constexpr std::array<std::uint32_t, 6> kIdle = {0, 100, 1000, 4000, 15000, 40000};
  return kIdle[chance % kIdle.size()];
}

}  // namespace blkrewind::tracking

int main(int argc, char** argv) {
  namespace tracking = blkrewind::tracking;
  std::map<std::string, std::string> values = {{"--slice", "5"}};
  for (int i = 1; i + 1 < argc; i += 2) values[argv[i]] = argv[i + 1];
  const auto number = [&](const char* name) {
    std::uint64_t value = 0;
    const std::string& text = values[name];
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  if (argc % 2 == 0 || values["--folder"].empty() || number("--seconds") == 0 ||
      number("--slice") == 0) {
    std::fputs(
        "track_stress --folder DIR --seconds N --seed S [--slice N]\n"
        "Run it by scripts/track-stress.\n",
        stderr);
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = [](int) { tracking::stop_now = true; };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  try {
    return tracking::run(values["--folder"], number("--seed"), number("--seconds"),
                         number("--slice"));
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "track_stress: %s\n", exception.what());
    return 3;
  }
}
