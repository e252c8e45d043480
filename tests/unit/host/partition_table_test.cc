#include "host/partition_table.h"

#include <gtest/gtest.h>

#include <map>

namespace blkrewind::host {
namespace {

using Kind = PartitionStep::Kind;

Partition at(int number, std::uint64_t begin_mib, std::uint64_t length_mib) {
  return {number, {begin_mib * kMiB, length_mib * kMiB}, false};
}

TEST(PartitionSteps, NoneWhereNothingDiffers) {
  const std::vector<Partition> same = {at(1, 1, 10), at(3, 20, 5)};
  EXPECT_TRUE(partition_steps(same, same).empty());
  EXPECT_TRUE(partition_steps({}, {}).empty());
}

TEST(PartitionSteps, WhatTheKernelShowsOfAnExtendedPartitionIsShort) {
  Partition extended = at(2, 10, 40);
  extended.is_extended = true;
  EXPECT_TRUE(partition_steps({{2, {10 * kMiB, 1024}, false}}, {extended}).empty());
}

TEST(PartitionSteps, RoomIsMadeBeforeItIsTaken) {
  const auto steps = partition_steps({at(1, 1, 20), at(2, 21, 10), at(3, 31, 5), at(4, 40, 4)},
                                     {at(1, 1, 10), at(2, 11, 20), at(3, 31, 9), at(5, 45, 1)});
  const std::vector<PartitionStep> expected = {
      {Kind::kRemove, at(2, 21, 10)}, {Kind::kRemove, at(4, 40, 4)}, {Kind::kResize, at(1, 1, 10)},
      {Kind::kResize, at(3, 31, 9)},  {Kind::kAdd, at(2, 11, 20)},   {Kind::kAdd, at(5, 45, 1)},
  };
  EXPECT_EQ(steps, expected);
}

// Every pair of small tables: the steps lead from one to the other, and no two partitions ever
// overlap on the way, which the kernel would refuse.
TEST(PartitionSteps, LeadThereWithoutOverlaps) {
  std::vector<std::vector<Partition>> tables = {{}};
  for (std::uint64_t cut = 1; cut < 6; ++cut) {
    tables.push_back({at(1, 1, cut)});
    tables.push_back({at(2, cut, 6 - cut)});
    tables.push_back({at(1, 0, cut), at(2, cut, 6 - cut)});
    tables.push_back({at(2, 0, cut), at(1, cut, 6 - cut)});
    tables.push_back({at(1, 0, cut), at(3, cut, 1), at(2, cut + 1, 1)});
  }
  for (const auto& from : tables) {
    for (const auto& to : tables) {
      std::map<int, Extent> kernel;
      for (const Partition& partition : from) kernel[partition.number] = partition.extent;
      for (const PartitionStep& step : partition_steps(from, to)) {
        const int number = step.partition.number;
        kernel.erase(number);
        if (step.kind == Kind::kRemove) continue;
        for (const auto& [other, extent] : kernel) {
          const Extent& mine = step.partition.extent;
          EXPECT_FALSE(mine.offset < extent.end() && extent.offset < mine.end());
        }
        kernel[number] = step.partition.extent;
      }
      std::map<int, Extent> expected;
      for (const Partition& partition : to) expected[partition.number] = partition.extent;
      EXPECT_EQ(kernel, expected);
    }
  }
}

}  // namespace
}  // namespace blkrewind::host
