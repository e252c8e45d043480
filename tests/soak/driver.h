// Chooses operations from the seed, kills them at random moments, and checks everything.
//
// A directory holds all of it: disk*.img, store/, state.json (Expected), contents/, log. The same
// seed makes the same choices as long as the operations end alike; the moment of a kill depends on
// timing.
#pragma once

#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "soak/device.h"
#include "soak/expected.h"
#include "soak/judge.h"
#include "soak/program.h"
#include "support/simulated_random.h"

namespace blkrewind::soak {

class Driver {
 public:
  // A new run in `folder`, which exists and is empty.
  static std::unique_ptr<Driver> begin(const std::string& folder, std::uint64_t seed, bool image,
                                       const std::string& program);
  // Continues a run that was stopped or killed; `program` may be empty: the same.
  static std::unique_ptr<Driver> go_on(const std::string& folder, const std::string& program);

  // Runs for this many seconds; ends with an empty store. 0: only checks. Throws Broken.
  void run(std::uint64_t seconds);
  [[nodiscard]] const Expected& expected() const { return expected_; }

 private:
  // The event that a process waits for before the time of the kill is measured.
  enum class Mark : std::uint8_t { kStart, kLog, kStore };
  // When to send which signal to a process, in seconds after that event.
  struct Shot {
    std::size_t process = 0;
    Mark mark = Mark::kStart;
    double after = 0;
    bool stop_first = false;
    int signal = 0;
  };
  // As visible from outside: the store when it was last listed.
  struct Trace {
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> logs;  // file and bytes of each
    std::uint64_t segments = 0;
  };

  Driver(std::string folder, Expected expected);
  void open_devices();
  void make_store();
  void take_up();  // left by a killed driver
  void save();

  void step();
  void change(std::size_t disk, sim::Random& random);
  void finish_pending(std::size_t disk);
  void empty_the_store();
  [[nodiscard]] Attempt choose(std::size_t disk, sim::Random& random);
  [[nodiscard]] Attempt choose_pending(const Disk& disk, sim::Random& random) const;
  void expect_refusals(const Disk& disk, const Device& device);

  // Runs them concurrently, killing them unless `random` is null, and settles.
  void attempt(std::vector<Attempt> attempts, sim::Random* random);
  [[nodiscard]] std::vector<Shot> aim(sim::Random& random) const;
  void shoot(std::vector<Shot> shots, const std::vector<Process>& processes, const Trace& before);
  [[nodiscard]] Trace trace() const;
  void check_ended(const std::vector<Ended>& ended);
  [[nodiscard]] std::vector<std::string> arguments_of(const Attempt& attempt) const;

  [[nodiscard]] Process start(const std::vector<std::string>& arguments,
                              const std::vector<std::string>& variables = {}) const;
  // Runs it to its end, with exit status `status`; returns its output.
  nlohmann::json ask(const std::vector<std::string>& arguments, int status = 0);
  void verify_all();
  void export_one(std::size_t disk, sim::Random& random);
  void expect_no_process_left() const;
  void log(const std::string& line);
  void report_progress(std::uint64_t seconds);

  std::string folder_;
  Expected expected_;
  std::deque<Device> devices_;
  Judge judge_;
  std::map<std::string, double>
      durations_;  // of operations that ended by themselves: by operation and disk
  std::FILE* log_ = nullptr;
  std::chrono::steady_clock::time_point started_;
  std::uint64_t reported_ = 0;
};

}  // namespace blkrewind::soak
