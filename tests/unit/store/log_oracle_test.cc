// Processes that own a log one after another, or believe that they do, in random order: whatever
// they do, the log has one history, and each append became what its process was told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "support/simulated_random.h"
#include "unit/store/homes.h"

namespace blkrewind::store {
namespace {

constexpr format::DiskNumber kOracleDisk = 7;
constexpr std::size_t kProcesses = 4;
constexpr int kSteps = 150;
constexpr std::uint64_t kSeeds = 200;

struct OracleCase {
  HomeKind home;
  format::DiskNumber log;  // that of the index has no owner: every process may append
};

// One line for each home.
std::vector<OracleCase> oracle_cases() {
  const HomeKind remote =
      remote_home("Remote", {.changes = {.unanswered = 10, .late = 12, .lost = 6},
                             .settle_lost = 35,
                             .behind = 30,
                             .lease_expires = 20});
  return {{local_home(), kOracleDisk},  {local_home(), format::kIndexLog},
          {memory_home(), kOracleDisk}, {memory_home(), format::kIndexLog},
          {remote, kOracleDisk},        {remote, format::kIndexLog}};
}

void PrintTo(const OracleCase& printed, std::ostream* out) { *out << printed.home.name; }

// What the processes were told, over all schedules.
struct Tally {
  std::uint64_t acknowledged = 0;
  std::uint64_t replaced = 0;
  std::map<NotAppended, std::uint64_t> failed;
};

class Schedule {
 public:
  Schedule(const OracleCase& of, std::uint64_t seed, Tally& tally)
      : log_(of.log), random_(seed), tally_(tally) {
    format::StoreHeader header;
    header.secret.fill(std::byte{3});
    store_ = of.home.make(machine_, header, seed);
    if (has_owners()) require(store_.open()->create_log(log_, {header.uuid, header.secret}));
    for (std::size_t i = 0; i < kProcesses; ++i) processes_.emplace_back().restart(store_, log_);
  }

  // The first thing that went wrong.
  [[nodiscard]] std::optional<std::string> run() {
    for (int i = 0; i < kSteps && !wrong_; ++i) {
      step(processes_[random_.below(kProcesses)]);
    }
    if (store_.deliver_late) store_.deliver_late();
    if (!wrong_) judge();
    return wrong_;
  }

 private:
  struct Process {
    std::unique_ptr<LogClient> client;
    std::unique_ptr<HomeLease> lease;
    // Once it was an owner, it goes on to append under this one, until it takes a lease again.
    std::optional<std::uint64_t> epoch;

    void restart(const HomeStore& store, format::DiskNumber log) {
      lease.reset();
      epoch.reset();
      if (log == format::kIndexLog) epoch = 0;
      client = std::make_unique<LogClient>(store.open(), log);
    }
  };
  enum class Fate : std::uint8_t { kAcknowledged, kNotWritten, kInDoubt /* either */ };

  [[nodiscard]] bool has_owners() const { return log_ != format::kIndexLog; }
  // Whether a former owner cannot append from the moment on at which another one takes its place.
  [[nodiscard]] bool fences_at_once() const { return has_owners() && store_.expire; }

  void demand(bool holds, const std::string& what) {
    if (!holds && !wrong_) wrong_ = what;
  }

  void step(Process& process) {
    const std::uint64_t action = random_.below(100);
    if (action < 45) {
      append(process);
    } else if (action < 60) {
      read(process);
    } else if (action < 75) {
      take_lease(process);
    } else if (action < 83) {
      replace(process);
    } else if (action < 88) {
      process.lease.reset();
    } else if (action < 93) {
      process.restart(store_, log_);
    } else if (action < 97) {
      if (has_owners() && store_.expire) store_.expire(log_);
    } else if (store_.deliver_late) {
      store_.deliver_late();
    }
  }

  void read(Process& process) {
    const Status status = process.client->read();
    demand(status.has_value(), "a read failed: " + (status ? "" : status.error().to_string()));
    const Story& story = process.client->story();
    const std::size_t common = std::min(story.size(), history_.size());
    demand(std::equal(story.begin(), story.begin() + static_cast<std::ptrdiff_t>(common),
                      history_.begin()),
           "two readers saw different histories");
    if (story.size() > history_.size()) history_ = story;
  }

  void take_lease(Process& process) {
    if (!has_owners() || process.lease != nullptr) return;
    process.lease = value_of(process.client->home().take_lease(log_, io::LockMode::kExclusive));
    if (process.lease == nullptr) return;
    read(process);
    process.epoch = process.lease->epoch(process.client->head());
    granted_ = std::max(granted_, *process.epoch);
    const Story& story = process.client->story();
    demand(acknowledged_.empty() ||
               std::ranges::any_of(
                   story, [&](const Told& told) { return told.id == acknowledged_.back(); }),
           "a new owner did not read what had been acknowledged");
  }

  // As the engine does: builds again on what it has missed.
  // Without an epoch of its own it appends under the one that it reads.
  void append(Process& process) {
    if (!process.epoch && process.client->head().generation == 0) read(process);
    const std::uint32_t id = ++last_id_;
    fates_[id] = Fate::kNotWritten;
    for (int tries = 0; tries < 3; ++tries) {
      const std::uint64_t epoch = process.epoch.value_or(process.client->head().epoch);
      const Appended done = process.client->append(epoch, id);
      if (done) {
        ++tally_.acknowledged;
        fates_[id] = Fate::kAcknowledged;
        acknowledged_.push_back(id);
        demand(!fences_at_once() || epoch == granted_, "a former owner's append was acknowledged");
        return;
      }
      ++tally_.failed[done.error().why];
      if (done.error().why == NotAppended::kInDoubt) {
        fates_[id] = Fate::kInDoubt;
        process.restart(store_, log_);
        return;
      }
      if (done.error().why == NotAppended::kRefused) return;
      // Stale, or fenced: a former owner that does not give up.
      read(process);
    }
  }

  void replace(Process& process) {
    if (!process.epoch) return;
    const Appended done = process.client->replace(*process.epoch, 1 + random_.below(20));
    if (done) {
      ++tally_.replaced;
      demand(!fences_at_once() || *process.epoch == granted_,
             "a former owner's checkpoint was acknowledged");
    } else if (done.error().why == NotAppended::kInDoubt) {
      process.restart(store_, log_);
    }
  }

  // The log as a process that has just started reads it, against what the others were told.
  void judge() {
    for (Process& process : processes_) process.lease.reset();
    if (has_owners() && store_.expire) store_.expire(log_);
    Process last;
    // An append that succeeds shows that nothing follows what was read.
    for (bool complete = false; !complete && !wrong_;) {
      last.restart(store_, log_);
      take_lease(last);
      read(last);
      complete = last.epoch && last.client->append(*last.epoch, ++last_id_);
    }
    read(last);
    const Story& story = last.client->story();
    demand(story.size() == history_.size(), "a reader saw more than there is");

    std::map<std::uint32_t, int> times;
    for (const Told& told : story) ++times[told.id];
    for (const auto& [id, fate] : fates_) {
      const int there = times[id];
      const std::string record = "record " + std::to_string(id);
      demand(fate != Fate::kAcknowledged || there == 1,
             record + " was acknowledged and is there " + std::to_string(there) + " times");
      demand(fate != Fate::kNotWritten || there == 0,
             record + " was not to be written and is there");
    }
    demand(std::ranges::is_sorted(story, {}, &Told::epoch), "an epoch went down");
    std::vector<std::uint32_t> order;
    for (const Told& told : story) {
      const auto fate = fates_.find(told.id);
      if (fate != fates_.end() && fate->second == Fate::kAcknowledged) order.push_back(told.id);
    }
    demand(order == acknowledged_, "the order is not that of the acknowledgements");
  }

  const format::DiskNumber log_;
  sim::SimulatedEnv machine_;
  HomeStore store_;
  sim::Random random_;
  Tally& tally_;
  std::vector<Process> processes_;
  std::uint32_t last_id_ = 0;
  std::uint64_t granted_ = 0;  // the highest epoch
  std::map<std::uint32_t, Fate> fates_;
  std::vector<std::uint32_t> acknowledged_;  // in this order
  Story history_;                            // the longest that was read
  std::optional<std::string> wrong_;
};

class LogOracle : public testing::TestWithParam<OracleCase> {};

TEST_P(LogOracle, EveryScheduleLeavesOneHistory) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto wrong = Schedule(GetParam(), seed, tally).run();
    ASSERT_FALSE(wrong) << "seed " << seed << ": " << *wrong;
  }
  // The schedules reached what they are there for.
  EXPECT_GT(tally.acknowledged, kSeeds * 5);
  EXPECT_GT(tally.replaced, kSeeds);
  EXPECT_GT(tally.failed[NotAppended::kStale], kSeeds);
  if (GetParam().log != format::kIndexLog) {
    EXPECT_GT(tally.failed[NotAppended::kFenced], kSeeds);
  }
  if (GetParam().home.name == "Remote") {
    EXPECT_GT(tally.failed[NotAppended::kRefused], kSeeds);
    EXPECT_GT(tally.failed[NotAppended::kInDoubt], kSeeds / 10);
  }
}

INSTANTIATE_TEST_SUITE_P(Homes, LogOracle, testing::ValuesIn(oracle_cases()),
                         [](const auto& instance) {
                           return instance.param.home.name +
                                  (instance.param.log == format::kIndexLog ? "Index" : "Disk");
                         });

}  // namespace
}  // namespace blkrewind::store
