#include "pipeline/chunk_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include "support/simulated_env.h"
#include "support/temp_dir.h"

namespace blkrewind::pipeline {
namespace {

using format::kFanout;
using testing::IsEmpty;

ChunkSet set_of(const std::vector<std::uint64_t>& chunks) {
  ChunkSet set;
  for (const std::uint64_t chunk : chunks) set.set(chunk);
  return set;
}

// Of this process, in memory now (proc(5), statm).
std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class ChunkListTest : public testing::Test {
 protected:
  ChunkListTest() { env_.add_directory("/store"); }

  [[nodiscard]] ChunkList make(std::uint64_t chunks, std::size_t leaves_max) {
    return {env_, "/store", {chunks * 4096, 4096}, leaves_max};
  }

  // What the list names; leaves must come in ascending order.
  static Result<std::vector<std::uint64_t>> named(const ChunkList& list) {
    std::vector<std::uint64_t> found;
    ChunkList::Source source(list);
    while (true) {
      BLKREWIND_ASSIGN(const auto candidate, source.next());
      if (!candidate) return found;
      EXPECT_TRUE(candidate->zero.none());
      for_each_chunk(candidate->leaf, candidate->read, [&](std::uint64_t chunk) {
        EXPECT_TRUE(found.empty() || found.back() < chunk) << chunk;
        found.push_back(chunk);
      });
    }
  }

  // Adds a chunk of every third leaf.
  static std::vector<std::uint64_t> fill(ChunkList& list, std::uint64_t leaves) {
    std::vector<std::uint64_t> added;
    for (std::uint64_t leaf = 0; leaf < leaves; leaf += 3) {
      list.add(leaf, set_of({leaf % kFanout}));
      added.push_back(leaf * kFanout + leaf % kFanout);
    }
    return added;
  }

  sim::SimulatedEnv env_;
};

TEST_F(ChunkListTest, NamesWhatWasAdded) {
  ChunkList list = make(1000, 100);
  EXPECT_THAT(*named(list), IsEmpty());
  list.add(0, set_of({0, 63, 64, 127}));
  list.add(3, {});
  list.add(7, set_of({5, 103}));  // the last chunk is 999
  const std::vector<std::uint64_t> expected = {0, 63, 64, 127, 901, 999};
  EXPECT_EQ(*named(list), expected);
  EXPECT_EQ(*named(list), expected) << "again";
  EXPECT_EQ(list.bytes(), 6U * 4096);
  list.clear();
  EXPECT_THAT(*named(list), IsEmpty());
  EXPECT_EQ(list.bytes(), 0U);
  EXPECT_EQ(env_.mutations(), 0U) << "what fits in memory makes no file";
}

// Several blocks of it, one of them not full; and once more after clear().
TEST_F(ChunkListTest, WhatDoesNotFitInMemoryGoesToAFileWithoutAName) {
  constexpr std::uint64_t kLeaves = 60'000;
  ChunkList list = make(kLeaves * kFanout, 3000);
  for (int round = 0; round < 2; ++round) {
    const std::vector<std::uint64_t> added = fill(list, kLeaves);
    EXPECT_EQ(*named(list), added);
    EXPECT_EQ(*named(list), added) << "again";
    EXPECT_EQ(list.bytes(), added.size() * 4096);
    EXPECT_THAT(*env_.list_directory("/store"), IsEmpty());
    EXPECT_EQ(env_.open_files(), 1U);
    list.clear();
  }
  EXPECT_EQ(env_.unaligned_requests(), 0U);
}

// 43 million chunks in four times the leaves that are kept in memory, on the real file system: the
// list stays within its bound while it is made and while it is read.
TEST(ChunkListMemory, IsBoundedWhateverTheDevice) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps what has been freed";
#endif
  constexpr std::uint64_t kLeaves = 4 * ChunkList::kLeavesInMemory;
  const test::TempDir directory;
  const std::unique_ptr<io::Env> env = io::make_local_env();
  if (const auto file =
          env->open(directory.path(), {.access = io::Access::kReadWrite, .unnamed = true});
      !file) {
    GTEST_SKIP() << file.error().to_string();
  }
  std::array<ChunkSet, 3> sets;  // every third chunk
  for (std::uint64_t i = 0; i < kFanout; ++i) sets.at(i % 3).set(i);
  const auto of_leaf = [&](std::uint64_t leaf) { return sets.at(leaf % 3); };

  const std::uint64_t before = resident_bytes();
  ChunkList list(*env, directory.path(), {kLeaves * kFanout * 4096, 4096});
  std::uint64_t added = 0;
  for (std::uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    list.add(leaf, of_leaf(leaf));
    added += of_leaf(leaf).count();
  }
  const std::uint64_t made = resident_bytes();
  EXPECT_GT(added, 40'000'000U);
  EXPECT_EQ(list.bytes(), added * 4096);
  ChunkList::Source source(list);
  for (std::uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    const auto candidate = source.next();
    ASSERT_TRUE(candidate && *candidate) << leaf;
    ASSERT_EQ((*candidate)->leaf, leaf);
    ASSERT_TRUE((*candidate)->read == of_leaf(leaf)) << leaf;
  }
  const auto end = source.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->has_value());
  // 6 MiB, and half of it again while the vector grows. All of the leaves would be 24 MiB.
  const std::uint64_t bound = before + 12 * kMiB;
  EXPECT_LE(made, bound);
  EXPECT_LE(resident_bytes(), bound);
}

// A full file system keeps no rollback from ending: too many are named, none is missed, and none
// beyond the end.
TEST_F(ChunkListTest, WithoutRoomForTheFileMoreIsNamed) {
  for (const std::uint64_t works : {0U, 2U}) {  // so many blocks
    env_.clear_faults();
    if (works == 0) env_.inject({.kinds = {sim::OpKind::kCreate}, .error = ENOSPC});
    env_.inject(
        {.kinds = {sim::OpKind::kWrite}, .nth = works + 1, .from_then_on = true, .error = ENOSPC});
    constexpr std::uint64_t kLeaves = 10'000;
    ChunkList list = make(kLeaves * kFanout - 100, 500);
    const std::vector<std::uint64_t> added = fill(list, kLeaves - 1);
    const auto found = named(list);
    ASSERT_TRUE(found);
    EXPECT_TRUE(std::ranges::includes(*found, added));
    EXPECT_LE(found->size(), added.size() * 64);
    EXPECT_LT(found->back(), kLeaves * kFanout - 100);
    EXPECT_EQ(list.bytes(), added.size() * 4096);
  }
}

TEST_F(ChunkListTest, AFileThatReadsBackOtherwiseIsAnError) {
  const sim::Fault lost{.kinds = {sim::OpKind::kWrite}, .error = 0, .dropped = true};
  const sim::Fault astray{.kinds = {sim::OpKind::kRead}, .error = 0, .misdirect_bytes = 65536};
  const sim::Fault broken{.kinds = {sim::OpKind::kRead}, .error = EIO};
  for (const sim::Fault& fault : {lost, astray, broken}) {
    env_.clear_faults();
    env_.inject(fault);
    ChunkList list = make(10'000 * kFanout, 500);
    fill(list, 10'000);
    const auto found = named(list);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::kIo);
  }
}

}  // namespace
}  // namespace blkrewind::pipeline
