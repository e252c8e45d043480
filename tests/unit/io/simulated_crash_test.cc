// What survives a power cut in the simulation: the basis of all crash tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/simulated_env.h"
#include "unit/io/simulated_bench.h"

namespace blkrewind::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(SimulatedDurability, BytesNeedAFlushAndNamesNeedADirectorySync) {
  SimulatedEnv env;
  Bench bench(env);
  ASSERT_TRUE(env.make_directory("/store"));
  auto file = bench.open("/store/a", kCreate);
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
  EXPECT_EQ(env.contents("/store/a"), filled(kPage, 1));

  ASSERT_TRUE(bench.flush(*file));
  ASSERT_TRUE(env.sync_directory("/store"));
  EXPECT_FALSE(env.durable_exists("/store/a")) << "its directory has no durable name yet";
  ASSERT_TRUE(env.sync_directory("/"));
  EXPECT_EQ(env.durable_contents("/store/a"), filled(kPage, 1));

  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 2)));
  EXPECT_EQ(env.contents("/store/a"), filled(kPage, 2));
  EXPECT_EQ(env.durable_contents("/store/a"), filled(kPage, 1));
}

TEST(SimulatedDurability, AFlushCoversOnlyWhatHadCompletedBeforeIt) {
  // With some seeds the write is executed before the flush: that must make no difference.
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SimulatedEnv env({seed});
    Bench bench(env);
    env.add_device("/disk", 2 * kPage);
    auto file = bench.open("/disk");
    auto second = filled(kPage, 2);
    ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
    const io::Request requests[] = {{io::Op::kWrite, file.get(), {kPage, kPage}, second.data(), 0},
                                    {io::Op::kFlush, file.get(), {}, nullptr, 1}};
    ASSERT_TRUE(bench.queue().submit(requests));
    std::vector<io::Completion> done;
    ASSERT_TRUE(bench.queue().wait(2, done));
    auto expected = filled(2 * kPage, 0);
    std::fill_n(expected.begin(), kPage, std::byte{1});
    EXPECT_EQ(env.durable_contents("/disk"), expected) << seed;
    ASSERT_TRUE(bench.flush(*file));
    EXPECT_EQ(env.durable_contents("/disk"), env.contents("/disk"));
  }
}

TEST(SimulatedDurability, RenameIsAtomicAndRemoveWaitsForTheSync) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/s/old", kPage);
  env.poke("/s/old", 0, filled(kPage, 1));
  auto file = bench.open("/s/new", kCreate);
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 2)));
  ASSERT_TRUE(bench.flush(*file));
  ASSERT_TRUE(env.rename("/s/new", "/s/old"));
  EXPECT_EQ(env.contents("/s/old"), filled(kPage, 2));
  EXPECT_EQ(env.durable_contents("/s/old"), filled(kPage, 1));

  std::set<int> seen;
  const auto coverage = env.crash_states(100, [&](auto after, const std::string& what) {
    EXPECT_TRUE(*after->exists("/s/old")) << what;
    const auto bytes = after->contents("/s/old");
    EXPECT_EQ(bytes, filled(kPage, std::to_integer<int>(bytes.at(0)))) << what;
    seen.insert(std::to_integer<int>(bytes.at(0)));
    return true;
  });
  EXPECT_TRUE(coverage.exhaustive);
  EXPECT_EQ(coverage.visited, 4U);  // the created name and the rename, each there or not
  EXPECT_THAT(seen, ElementsAre(1, 2));

  ASSERT_TRUE(env.sync_directory("/s"));
  EXPECT_EQ(env.durable_contents("/s/old"), filled(kPage, 2));
  EXPECT_FALSE(env.durable_exists("/s/new"));
  ASSERT_TRUE(env.remove("/s/old"));
  EXPECT_FALSE(*env.exists("/s/old"));
  EXPECT_TRUE(env.durable_exists("/s/old"));
  ASSERT_TRUE(env.sync_directory("/s"));
  EXPECT_FALSE(env.durable_exists("/s/old"));
}

TEST(SimulatedDurability, ARenameAcrossDirectoriesNeedsBoth) {
  SimulatedEnv env;
  env.add_device("/a/x", kPage);
  env.add_directory("/b");
  ASSERT_TRUE(env.rename("/a/x", "/b/x"));
  ASSERT_TRUE(env.sync_directory("/b"));
  EXPECT_FALSE(env.durable_exists("/b/x"));
  EXPECT_TRUE(env.durable_exists("/a/x"));
  ASSERT_TRUE(env.sync_directory("/a"));
  EXPECT_TRUE(env.durable_exists("/b/x"));
  EXPECT_FALSE(env.durable_exists("/a/x"));
}

TEST(SimulatedDurability, TruncateAndPunchArePendingToo) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", 3 * kPage);
  env.poke("/f", 0, filled(3 * kPage, 7));
  auto file = bench.open("/f");
  ASSERT_TRUE(file->truncate(2 * kPage));
  ASSERT_EQ(bench.run(io::Op::kDiscard, *file, {0, kPage}), 0);
  ASSERT_EQ(bench.run(io::Op::kWriteZeroes, *file, {kPage, 5 * kPage}), 0);
  EXPECT_EQ(*file->size_bytes(), 2 * kPage) << "zeroing never grows a file";
  EXPECT_EQ(env.contents("/f"), filled(2 * kPage, 0));
  EXPECT_EQ(*file->next_data(0), (Extent{2 * kPage, 0}));
  EXPECT_EQ(env.durable_contents("/f"), filled(3 * kPage, 7));
  ASSERT_TRUE(bench.flush(*file));
  EXPECT_EQ(env.durable_contents("/f"), filled(2 * kPage, 0));
}

TEST(SimulatedCrash, CountsEveryCombination) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", 4 * kPage);
  auto file = bench.open("/f");
  ASSERT_TRUE(bench.write(*file, 0, filled(2 * kPage, 1)));      // lost, kept, torn once
  ASSERT_TRUE(bench.write(*file, 2 * kPage, filled(kPage, 2)));  // lost, kept
  ASSERT_TRUE(bench.write(*file, kPage / 2, filled(kPage, 3)));  // lost, kept, torn once
  std::set<std::vector<std::byte>> states;
  const auto visit = [&](auto after, const std::string&) {
    states.insert(after->durable_contents("/f"));
    return true;
  };
  auto coverage = env.crash_states(18, visit);
  EXPECT_TRUE(coverage.exhaustive);
  EXPECT_EQ(coverage.visited, 18U);
  EXPECT_THAT(states, SizeIs(18));
  EXPECT_TRUE(states.contains(filled(4 * kPage, 0)));
  EXPECT_TRUE(states.contains(env.contents("/f")));

  states.clear();
  coverage = env.crash_states(17, visit);
  EXPECT_FALSE(coverage.exhaustive);
  EXPECT_EQ(coverage.visited, 17U);
  EXPECT_TRUE(states.contains(filled(4 * kPage, 0)));
  EXPECT_TRUE(states.contains(env.contents("/f")));

  ASSERT_TRUE(bench.flush(*file));
  EXPECT_EQ(env.crash_states(17, visit).visited, 1U) << "nothing is open after a flush";
}

TEST(SimulatedCrash, TearsAtSectors) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", kPage);
  auto file = bench.open("/f");
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
  EXPECT_EQ(env.crash_states(100, [](auto, auto&) { return true; }, {512, 1}).visited, 9U);
  bool scattered = false;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto bytes = env.crash(seed)->contents("/f");
    for (std::size_t at = 0; at < kPage; at += kSectorBytes) {
      EXPECT_EQ(std::count(bytes.begin() + at, bytes.begin() + at + kSectorBytes, bytes[at]),
                kSectorBytes);
    }
    // A sector that was written after one that was not.
    scattered |= !std::is_sorted(bytes.rbegin(), bytes.rend());
  }
  EXPECT_TRUE(scattered);
}

TEST(SimulatedCrash, AKeptOperationDoesNotNeedTheOnesBeforeIt) {
  SimulatedEnv env;
  Bench bench(env);
  auto file = bench.open("/new", kCreate);
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
  ASSERT_TRUE(env.rename("/new", "/final"));
  std::set<std::string> outcomes;
  env.crash_states(100, [&](auto after, const std::string&) {
    std::string names;
    const auto listed = after->list_directory("/");
    for (const auto& name : *listed) {
      names += name + (after->contents("/" + name).empty() ? "(empty) " : " ");
    }
    outcomes.insert(names);
    return true;
  });
  EXPECT_THAT(outcomes, ElementsAre("", "final ", "final(empty) ", "new ", "new(empty) "));
}

TEST(SimulatedCrash, LeavesTheRunningMachineAloneAndItselfToo) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", kPage);
  auto file = bench.open("/f");
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
  ASSERT_TRUE(bench.flush(*file));
  auto after = env.crash(1);
  Bench second(*after);
  auto again = second.open("/f");
  ASSERT_TRUE(second.write(*again, 0, filled(kPage, 2)));
  EXPECT_EQ(env.contents("/f"), filled(kPage, 1));
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 3)));
  EXPECT_EQ(after->contents("/f"), filled(kPage, 2));
  EXPECT_EQ(after->durable_contents("/f"), filled(kPage, 1));
  EXPECT_EQ(*after->identify("/f"), *env.identify("/f"));
  EXPECT_NE(after->probe("/f")->identity.boot_id, env.probe("/f")->identity.boot_id);
  EXPECT_EQ(second.write(*file, 0, filled(kPage, 4)).error().code, Errc::kInternal)
      << "a file of the machine before the crash";
}

TEST(SimulatedCrash, ThePowerGoesOffAfterTheNthMutation) {
  const auto run = [](SimulatedEnv& env) -> Status {
    Bench bench(env);
    BLKREWIND_ASSIGN(auto file, env.open("/f", kCreate));
    BLKREWIND_TRY(bench.write(*file, 0, filled(kPage, 1)));
    BLKREWIND_TRY(bench.read(*file, {0, kPage}));
    BLKREWIND_TRY(bench.flush(*file));
    return env.sync_directory("/");
  };
  SimulatedEnv whole;
  ASSERT_TRUE(run(whole));
  ASSERT_EQ(whole.mutations(), 4U);
  for (std::uint64_t n = 0; n <= 4; ++n) {
    SimulatedEnv env({1, n});
    const Status status = run(env);
    EXPECT_EQ(status.has_value(), n == 4) << n;
    EXPECT_EQ(env.power_is_off(), n < 4) << n;
    EXPECT_EQ(env.mutations(), n);
    EXPECT_EQ(env.durable_exists("/f"), n == 4) << n;
    if (n < 4) {
      EXPECT_EQ(env.probe("/").error().sys_errno, EIO);
      EXPECT_TRUE(env.crash(n)->exists("/f")) << "the next boot has power";
    }
  }
  SimulatedEnv off({1, 0});
  EXPECT_THAT(off.make_directory("/d").error().message, HasSubstr("the power is off"));
}

}  // namespace
}  // namespace blkrewind::sim
