// The upgrade of a store meets power cuts and failures at every operation, and a full file system.
#include "unit/store/upgrade_fixture.h"

namespace blkrewind::store {
namespace {

using test::failed;
using test::ok;

constexpr std::uint64_t kStatesMax = 12;

TEST_F(StoreUpgrade, SurvivesAPowerCutAtEveryOperation) {
  const auto env = scene_.machine();
  env->record_moments();
  ASSERT_TRUE(ok(upgrade(*env, kPath)));
  const auto moments = env->take_moments();
  EXPECT_GT(moments.size(), 50U);
  std::map<std::uint32_t, std::uint64_t> seen;  // by version; 0: interrupted
  for (std::size_t i = 0; i < moments.size() && !HasFailure(); ++i) {
    const sim::SimulatedEnv moment(moments[i], {});
    moment.crash_states(kStatesMax,
                        [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
                          SCOPED_TRACE("before operation " + std::to_string(i) + "; " + what);
                          const auto store = Store::open(*after, kPath);
                          ++seen[store ? (*store)->header().version : 0];
                          check_and_complete(*after, wanted());
                          return !HasFailure();
                        },
                        {.seed = i + 1});
  }
  for (const std::uint32_t state : {0, 1, 2}) EXPECT_GT(seen[state], 0U) << state;
}

// An upgrade that goes on after a power cut is itself cut off.
TEST_F(StoreUpgrade, SurvivesASecondPowerCut) {
  const auto env = scene_.machine();
  env->record_moments();
  ASSERT_TRUE(ok(upgrade(*env, kPath)));
  const auto moments = env->take_moments();
  for (std::size_t i = 0; i < moments.size() && !HasFailure(); i += 3) {
    const auto after = sim::SimulatedEnv(moments[i], {}).crash(i + 1);
    after->record_moments();
    ASSERT_TRUE(ok(upgrade(*after, kPath)));
    const auto later = after->take_moments();
    for (std::size_t j = 0; j < later.size() && !HasFailure(); ++j) {
      SCOPED_TRACE("before operation " + std::to_string(i) + ", then before " + std::to_string(j));
      const auto twice = sim::SimulatedEnv(later[j], {}).crash(i + j);
      check_and_complete(*twice, wanted());
    }
  }
}

TEST_F(StoreUpgrade, SurvivesAFailureOfEveryOperation) {
  using sim::OpKind;
  for (const OpKind kind :
       {OpKind::kWrite, OpKind::kFlush, OpKind::kRename, OpKind::kCreate, OpKind::kRemove,
        OpKind::kSyncDirectory, OpKind::kMakeDirectory, OpKind::kRead}) {
    std::uint64_t nth = 1;
    for (bool hit = true; hit && !HasFailure(); ++nth) {
      SCOPED_TRACE("operation " + std::to_string(nth) + " of kind " +
                   std::to_string(static_cast<int>(kind)));
      const auto env = scene_.machine();
      env->inject({.kinds = {kind}, .nth = nth});
      const auto done = upgrade(*env, kPath);
      hit = env->fault_hits() != 0;
      env->clear_faults();
      if (done) {
        check_upgraded(*env, wanted());
      } else {
        EXPECT_TRUE(hit);
        const auto cut = env->crash(nth);
        check_and_complete(*env, wanted());
        check_and_complete(*cut, wanted());
      }
    }
    EXPECT_GT(nth, 2U) << "no operation of kind " << static_cast<int>(kind);
  }
}

TEST_F(StoreUpgrade, OnAFullFileSystemTheStoreStaysAsItWas) {
  const LocalLayout layout(kPath);
  bool refused = false;
  bool done = false;
  for (std::uint64_t room = 0; !done && !HasFailure(); room += 16 * kKiB) {
    ASSERT_LT(room, 16 * kMiB);
    SCOPED_TRACE(std::to_string(room) + " bytes are free");
    const auto env = scene_.machine();
    env->set_free_bytes(kPath, room);
    const auto upgraded = upgrade(*env, kPath);
    done = upgraded.has_value();
    if (!done) {
      refused = true;
      EXPECT_TRUE(failed(upgraded, Errc::kNoSpace));
      const auto store = Store::open(*env, kPath);
      if (store) {
        EXPECT_EQ((*store)->header().version, 1U);
        EXPECT_TRUE(env->list_directory(layout.disks())->empty()) << "it keeps the room";
        EXPECT_FALSE(*env->exists(layout.log(format::kIndexLog))) << "it keeps the room";
        for (const RemedyStep& step : upgraded.error().remedy.steps) {
          EXPECT_EQ(step.verb, Verb::kAdvice) << "version 1 allows no other";
        }
      }
    }
    env->set_free_bytes(kPath, std::nullopt);
    check_and_complete(*env, wanted());
  }
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace blkrewind::store
