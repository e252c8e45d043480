// Crash states, fault points and the order of writes, in numbers.
//
//   crash_campaign [--home local|memory|remote] [--states N] [--random N] [--seed S] [--jobs N]
//                  [--faults yes|no]
//   crash_campaign [--home HOME] --only CASE    repeats one case, as printed by a failure (case.h)
//
// HOME is where the store is kept (support/simulated_home.h).
//
// Exit status 0: every promise held and the requested number was reached.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "campaign/campaign.h"

namespace {

using blkrewind::campaign::Counts;
using blkrewind::campaign::Share;
using blkrewind::campaign::Tally;

struct Settings {
  std::uint64_t states = 50'000;
  std::uint64_t random = 40;  // random workloads from the seed
  std::uint64_t seed = 1;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  bool faults = true;
  blkrewind::sim::HomeType home = blkrewind::sim::HomeType::kLocal;
  std::string home_name = "local";
  std::string only;
};

Settings settings;
Share share;

void usage(const std::string& why) {
  std::cerr << why << "\nusage: crash_campaign [--home local|memory|remote] [--states N] "
            << "[--random N] [--seed S] [--jobs N] [--faults yes|no] | --only CASE\n";
  std::exit(2);
}

blkrewind::sim::HomeType home_named(const std::string& name) {
  using blkrewind::sim::HomeType;
  if (name == "memory") return HomeType::kMemory;
  if (name == "remote") return HomeType::kRemote;
  if (name != "local") usage("there is no home " + name);
  return HomeType::kLocal;
}

Settings parse(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(std::string(argv[i]) + " wants a value");
    given[argv[i]] = argv[i + 1];
  }
  Settings wanted;
  for (const auto& [name, value] : given) {
    try {
      if (name == "--states") {
        wanted.states = std::stoull(value);
      } else if (name == "--random") {
        wanted.random = std::min<std::uint64_t>(std::stoull(value), 8000);
      } else if (name == "--seed") {
        wanted.seed = std::stoull(value);
      } else if (name == "--jobs") {
        wanted.jobs = std::max(1U, static_cast<unsigned>(std::stoul(value)));
      } else if (name == "--faults") {
        wanted.faults = value == "yes";
      } else if (name == "--home") {
        wanted.home = home_named(value);
        wanted.home_name = value;
      } else if (name == "--only") {
        wanted.only = value;
      } else {
        usage("unknown argument " + name);
      }
    } catch (const std::exception&) {
      usage(name + " " + value + " is not a number");
    }
  }
  return wanted;
}

// The share of one process; the exit status says whether it failed.
int run_share(unsigned process) {
  share.process = process;
  // Thousands of operations that each allocate and free a buffer: keep the pages.
  (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
  (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
  return RUN_ALL_TESTS();
}

// The number of states that a workload should contribute, including those that earlier ones could
// not.
std::uint64_t target_of(std::size_t index, std::size_t workloads) {
  const std::uint64_t found = share.tally->counts().states;
  // Some have fewer than their share, and the last ones cannot make up for that.
  const std::uint64_t aim = settings.states + settings.states / 8;
  const std::uint64_t left = aim - std::min(aim, found);
  return (left + (workloads - index) - 1) / (workloads - index);
}

bool report(const Counts& counts, double seconds, bool failed) {
  const bool enough = counts.states >= settings.states;
  std::cout << "crash states: " << counts.states << " distinct (" << counts.recovery_states
            << " of them inside a recovery; " << counts.exhausted_moments
            << " moments in every combination; " << counts.met_again << " met again)\n"
            << "fault points: " << counts.fault_points << " (" << counts.faults_survived
            << " of them survived by the operation)\n"
            << "order: " << counts.ordered_writes << " writes to device and log, none too early\n"
            << "home " << settings.home_name << ", seed " << settings.seed << ", " << settings.jobs
            << " processes, " << static_cast<std::uint64_t>(seconds) << " s: "
            << (failed   ? "FAILED"
                : enough ? "0 failures"
                         : "too few states")
            << std::endl;
  return enough && !failed;
}

}  // namespace

TEST(Campaign, Order) {
  for (const auto& workload : blkrewind::campaign::all_workloads(settings.seed, settings.random)) {
    blkrewind::campaign::watch_order(share, workload);
    if (HasFailure()) return;
  }
}

TEST(Campaign, Faults) {
  if (!settings.faults) GTEST_SKIP() << "--faults no";
  const auto all = blkrewind::campaign::all_workloads(settings.seed, 14);
  for (const auto& workload : all) {
    blkrewind::campaign::break_everything(share, workload);
    if (HasFailure()) return;
  }
}

TEST(Campaign, CrashStates) {
  const auto all = blkrewind::campaign::all_workloads(settings.seed, settings.random);
  for (std::size_t i = 0; i < all.size(); ++i) {
    blkrewind::campaign::explore(share, all[i], i, target_of(i, all.size()));
    if (HasFailure()) return;
  }
}

TEST(Replay, Only) {
  if (const auto fault = blkrewind::campaign::parse_fault_case(settings.only)) {
    blkrewind::campaign::replay(*fault, settings.home);
  } else if (const auto state = blkrewind::campaign::parse_state_case(settings.only)) {
    blkrewind::campaign::replay(*state, settings.home);
  } else {
    FAIL() << settings.only << " names no case";
  }
}

int main(int argc, char** argv) {
  int gtest_argc = 1;
  testing::InitGoogleTest(&gtest_argc, argv);
  settings = parse(argc, argv);
  GTEST_FLAG_SET(brief, settings.only.empty());
  GTEST_FLAG_SET(filter, settings.only.empty() ? "Campaign.*" : "Replay.*");
  Tally tally(settings.states);
  share = {&tally,
           settings.seed,
           0,
           settings.jobs,
           std::string(argv[0]) + " --home " + settings.home_name + " --seed " +
               std::to_string(settings.seed),
           settings.home};
  if (!settings.only.empty()) {
    share.processes = 1;
    return run_share(0);
  }
  const auto begun = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  for (unsigned process = 0; process < settings.jobs; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      const int status = run_share(process);
      std::cout.flush();
      ::_exit(status);
    }
    children.push_back(child);
  }
  bool failed = false;
  for (const pid_t child : children) {
    int status = 1;
    failed |= ::waitpid(child, &status, 0) != child || status != 0;
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
  return report(tally.counts(), taken.count(), failed) ? 0 : 1;
}
