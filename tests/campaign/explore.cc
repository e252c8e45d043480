// Crash states of one workload: every moment, all combinations if they are few, random samples
// otherwise.
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <utility>

#include "campaign/campaign.h"
#include "campaign/repeatable.h"
#include "support/order_rules.h"

namespace blkrewind::campaign {
namespace {

using sim::CrashSpace;
using test::OperationsBench;
using test::Scene;

// How much of a run is looked at before the next one.
struct Depth {
  // A moment with no more combinations than this is tested exhaustively.
  std::uint64_t exhaustive_max;
  bool systematic;         // the others: first every prefix, and all but each operation
  unsigned draws_at_once;  // then some at random, of each moment in turn
  unsigned batches;
  unsigned fruitless_runs_max;
};
// Runs differ in the order of completions alone. Over a remote home each meets other trouble, and
// there are a few states in each.
constexpr Depth kDeep = {1024, true, 8, 24, 2};
constexpr Depth kWide = {2, false, 2, 1, 40};

const Depth& depth_of(sim::HomeType home) { return home == sim::HomeType::kRemote ? kWide : kDeep; }

// A moment is finished after this many consecutive attempts without a new state.
constexpr std::uint64_t kFruitlessStatesMax = 48;
// In one state of this many the store is used further; in each state leaked space is searched for.
constexpr std::uint64_t kStoresUsed = 4;
// One state in this many is recovered with another power cut in the middle, this many times.
constexpr std::uint64_t kRecoveriesCut = 4;
constexpr unsigned kCutsOfARecovery = 3;

bool failed_already() { return testing::Test::HasFailure(); }

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return sim::Random(a ^ (b << 20U)).next(); }

std::uint64_t name_number(const std::string& name) {
  std::uint64_t number = 0;
  for (const char c : name) number = mix(number, static_cast<unsigned char>(c));
  return number;
}

std::unique_ptr<sim::SimulatedEnv> boot(sim::State state) {
  return std::make_unique<sim::SimulatedEnv>(std::move(state), sim::SimulatedOptions{});
}

// The machine that boots, recovers, and loses power again.
std::vector<sim::State> recovery_moments(const sim::State& state, const Scene& scene,
                                         bool backwards) {
  OperationsBench bench(boot(state), scene.disk);
  bench.env().record_moments();
  if (bench.open()) {
    test::trouble(bench, sim::fingerprint(state));
    const auto intent = bench.view().intent;
    if (intent) (void)bench.resume(backwards && intent->undo != 0);
    (void)bench.operations().collect({});
  }
  return bench.env().take_moments();
}

class Explorer {
 public:
  Explorer(const Share& share, const test::Workload& workload, std::size_t index,
           std::uint64_t target)
      : share_(share),
        workload_(workload),
        target_(target),
        found_(share.tally->counts().states_of.at(index)),
        name_number_(name_number(workload.name)),
        depth_(depth_of(share.home)) {
    repeat_from(name_number_);
    scene_ = workload.prepare(share.home);
    test::learn_digests(scene_);
  }

  void go() {
    unsigned fruitless = 0;
    for (std::uint64_t run = 0; wants_more() && fruitless <= depth_.fruitless_runs_max; ++run) {
      const std::uint64_t before = found_;
      explore_run(run);
      fruitless = found_ == before ? fruitless + 1 : 0;
    }
  }

 private:
  [[nodiscard]] bool wants_more() const { return found_ < target_ && !failed_already(); }

  void explore_run(std::uint64_t run) {
    repeat_from(mix(name_number_, run));
    const test::Recording recording = test::record(workload_, scene_, run, true);
    std::vector<std::uint64_t> fruitless(recording.moments.size());
    for (unsigned batch = 0; batch < depth_.batches && wants_more(); ++batch) {
      const std::uint64_t before = found_;
      for (std::uint64_t moment = 0; moment < recording.moments.size() && wants_more(); ++moment) {
        if (moment % share_.processes != share_.process) continue;
        if (fruitless[moment] > kFruitlessStatesMax) continue;
        const CrashSpace space(recording.moments[moment], {});
        const bool acknowledged = recording.succeeded && moment + 1 == recording.moments.size();
        visit_moment(run, moment, space, batch, acknowledged, fruitless[moment]);
      }
      if (batch > 1 && found_ == before) return;
    }
  }

  void visit_moment(std::uint64_t run, std::uint64_t moment, const CrashSpace& space,
                    unsigned batch, bool acknowledged, std::uint64_t& fruitless) {
    const auto visit = [&](char kind, std::uint64_t value) {
      if (!wants_more()) return;
      const bool is_new = visit_state({workload_.name, run, {moment, {kind, value}}, false, {}},
                                      space, acknowledged);
      fruitless = is_new ? 0 : fruitless + 1;
    };
    const std::uint64_t combinations = space.combinations();
    if (batch == 0 && combinations <= depth_.exhaustive_max) {
      // In another completion order most moments are already known.
      for (std::uint64_t i = 0; i < combinations; ++i) {
        if (run != 0 && fruitless > kFruitlessStatesMax) return;
        visit('c', i);
      }
      ++share_.tally->counts().exhausted_moments;
      return;
    }
    if (batch == 0 && depth_.systematic) {
      for (std::uint64_t i = 0; i <= space.operations(); ++i) visit('p', i);
      for (std::uint64_t i = 0; i < space.operations(); ++i) visit('a', i);
    }
    for (unsigned i = 0; i < depth_.draws_at_once; ++i) {
      const std::uint64_t draw = batch * depth_.draws_at_once + i;
      visit('d', mix(share_.seed, (run << 24U) ^ (moment << 12U) ^ draw));
    }
  }

  // False: the state was tested before.
  bool visit_state(const StateCase& name, const CrashSpace& space, bool acknowledged) {
    const std::vector<sim::Fate> fates = fates_of(space, name.cut.fate);
    sim::State state = space.outcome(fates);
    if (!count(state, acknowledged)) return false;
    const bool cut_again = mix(share_.seed, found_) % kRecoveriesCut == 0;
    test::check_state(boot(state), scene_, acknowledged, afterwards());
    if (failed_already()) {
      report(name, space.describe(fates));
    } else if (cut_again) {
      cut_recovery(name, state, acknowledged);
    }
    return true;
  }

  void cut_recovery(StateCase name, const sim::State& state, bool acknowledged) {
    sim::Random random(mix(share_.seed, found_));
    name.backwards = random.percent(50);
    const auto moments = recovery_moments(state, scene_, name.backwards);
    for (unsigned i = 0; i < kCutsOfARecovery && wants_more(); ++i) {
      const std::uint64_t moment = random.below(moments.size());
      name.second = Cut{moment, {'d', random.next()}};
      const CrashSpace space(moments[moment], {});
      const auto fates = fates_of(space, name.second->fate);
      sim::State again = space.outcome(fates);
      if (!count(again, acknowledged)) continue;
      ++share_.tally->counts().recovery_states;
      test::check_state(boot(std::move(again)), scene_, acknowledged, afterwards());
      if (failed_already()) return report(name, space.describe(fates));
    }
  }

  [[nodiscard]] test::Afterwards afterwards() const {
    return mix(share_.seed + 1, found_) % kStoresUsed == 0 ? test::Afterwards::kUseStore
                                                           : test::Afterwards::kReclaim;
  }

  // False: tested before.
  bool count(const sim::State& state, bool acknowledged) {
    Counts& counts = share_.tally->counts();
    const std::uint64_t print =
        mix(mix(sim::fingerprint(state), name_number_), acknowledged ? 1 : 0);
    if (!share_.tally->is_new(print)) {
      ++counts.met_again;
      return false;
    }
    ++found_;
    ++counts.states;
    return true;
  }

  void report(const StateCase& name, const std::string& what) const {
    std::cout << "What was not flushed when the power went:\n"
              << what << "Repeat it: " << share_.command << " --only " << to_string(name)
              << std::endl;
  }

  const Share& share_;
  const test::Workload& workload_;
  const std::uint64_t target_;
  std::atomic<std::uint64_t>& found_;
  const std::uint64_t name_number_;
  const Depth& depth_;
  Scene scene_;
};

}  // namespace

void explore(const Share& share, const test::Workload& workload, std::size_t index,
             std::uint64_t target) {
  Explorer(share, workload, index, target).go();
}

void replay(const StateCase& name, sim::HomeType home) {
  const auto found = workload_named(name.workload);
  ASSERT_FALSE(found.empty()) << "no workload " << name.workload;
  const test::Workload& workload = found.front();
  const std::uint64_t number = name_number(workload.name);
  repeat_from(number);
  const Scene scene = workload.prepare(home);
  repeat_from(mix(number, name.run));
  const test::Recording recording = test::record(workload, scene, name.run, true);
  ASSERT_LT(name.cut.moment, recording.moments.size()) << "there are fewer moments";
  const bool acknowledged = recording.succeeded && name.cut.moment + 1 == recording.moments.size();
  const CrashSpace space(recording.moments[name.cut.moment], {});
  const auto fates = fates_of(space, name.cut.fate);
  std::cout << "The power goes; what was not flushed:\n" << space.describe(fates);
  sim::State state = space.outcome(fates);
  if (name.second) {
    const auto moments = recovery_moments(state, scene, name.backwards);
    ASSERT_LT(name.second->moment, moments.size()) << "the recovery has fewer moments";
    const CrashSpace inner(moments[name.second->moment], {});
    const auto again = fates_of(inner, name.second->fate);
    std::cout << "It goes again while that is recovered from:\n" << inner.describe(again);
    state = inner.outcome(again);
  }
  test::check_state(boot(std::move(state)), scene, acknowledged);
}

}  // namespace blkrewind::campaign
