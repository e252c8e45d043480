// What stands on given bytes, and the freeze order, on machines that are made up.
#include "host/stack_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace blkrewind::host {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kDiskBytes = 1000;

class MadeUpMachine {
 public:
  MadeUpMachine() {
    map_.node = [this](DeviceNumber device) {
      BlockNode node = nodes_[device];
      if (node.whole == 0) node.whole = device;
      return node;
    };
  }

  void disk(DeviceNumber device) { nodes_[device].size_bytes = kDiskBytes; }
  void partition(DeviceNumber whole, DeviceNumber part, std::uint64_t start, std::uint64_t size) {
    nodes_[part].whole = whole;
    nodes_[part].start_bytes = start;
    nodes_[part].size_bytes = size;
    nodes_[whole].partitions.push_back(part);
  }
  void holder(DeviceNumber above, const std::vector<DeviceNumber>& slaves) {
    nodes_[above].size_bytes = kDiskBytes;
    nodes_[above].slaves = slaves;
    for (const DeviceNumber slave : slaves) nodes_[slave].holders.push_back(above);
  }
  void loop_on_device(DeviceNumber loop, DeviceNumber below, Extent range = {0, kDiskBytes}) {
    add_loop(loop, range).backing_device = below;
  }
  // `host`: the super block with the file; 0: it is not known.
  void loop_on_file(DeviceNumber loop, std::uint64_t inode, DeviceNumber host,
                    Extent range = {0, kDiskBytes}) {
    add_loop(loop, range).backing = {.device = host, .inode = inode};
    if (host != 0) map_.host_of_loop[loop] = host;
  }
  // The first device is the super block's number, unless another one is given.
  void mounted(const std::vector<DeviceNumber>& devices, DeviceNumber id = 0) {
    MountedSuper super;
    super.id = id == 0 ? devices.front() : id;
    super.devices = devices;
    map_.supers.push_back(super);
  }

  [[nodiscard]] StackPlan plan(const StackTarget& target) const { return plan_stack(map_, target); }
  // By the super blocks' numbers, in order.
  [[nodiscard]] std::vector<DeviceNumber> mounted_on(
      const std::vector<DeviceNumber>& devices) const {
    return ids(plan({.devices = devices, .files = {}}).mounted);
  }
  [[nodiscard]] std::vector<DeviceNumber> partial_on(
      const std::vector<DeviceNumber>& devices) const {
    return ids(plan({.devices = devices, .files = {}}).partial);
  }
  [[nodiscard]] std::vector<DeviceNumber> ids(const std::vector<std::size_t>& indexes) const {
    std::vector<DeviceNumber> found;
    for (const std::size_t index : indexes) found.push_back(map_.supers.at(index).id);
    return found;
  }

 private:
  LoopDevice& add_loop(DeviceNumber device, const Extent& range) {
    nodes_[device].size_bytes = range.length;
    LoopDevice loop;
    loop.device = device;
    loop.backing_known = true;
    loop.range = range;
    map_.loops.push_back(loop);
    return map_.loops.back();
  }

  mutable std::map<DeviceNumber, BlockNode> nodes_;
  StackMap map_;
};

TEST(StackGraph, NothingStandsOnAnUnusedDisk) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.disk(2);
  machine.mounted({2});
  const StackPlan plan = machine.plan({.devices = {1}, .files = {}});
  EXPECT_THAT(plan.mounted, IsEmpty());
  EXPECT_THAT(plan.nodes, ElementsAre(1));
}

TEST(StackGraph, PartitionsStandOnTheirDiskAndNotOnEachOther) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.partition(1, 11, 100, 400);
  machine.partition(1, 12, 500, 500);
  machine.mounted({11});
  machine.mounted({12});
  EXPECT_THAT(machine.mounted_on({1}), UnorderedElementsAre(11, 12));
  EXPECT_THAT(machine.mounted_on({11}), ElementsAre(11));
  EXPECT_THAT(machine.partial_on({11}), IsEmpty());
  EXPECT_THAT(machine.plan({.devices = {11}, .files = {}}).nodes, UnorderedElementsAre(1, 11));
}

TEST(StackGraph, WhatOverlapsOnTheWholeDiskStandsOnAPartition) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.partition(1, 11, 100, 400);
  machine.partition(1, 12, 500, 500);
  machine.loop_on_device(21, 1, {50, 100});   // of the first partition, and of no one
  machine.loop_on_device(22, 1, {600, 100});  // of the second alone
  machine.mounted({21});
  machine.mounted({22});
  EXPECT_THAT(machine.mounted_on({11}), ElementsAre(21));
  EXPECT_THAT(machine.partial_on({11}), ElementsAre(21));
  EXPECT_THAT(machine.mounted_on({12}), ElementsAre(22));
  EXPECT_THAT(machine.partial_on({12}), IsEmpty());
  EXPECT_THAT(machine.partial_on({1}), IsEmpty());
}

TEST(StackGraph, LoopDevicesOverTheSameBytesOfAFile) {
  MadeUpMachine machine;
  machine.loop_on_file(1, 7, 0, {0, 500});
  machine.loop_on_file(2, 7, 0, {400, 200});
  machine.loop_on_file(3, 7, 0, {500, 500});
  for (const DeviceNumber loop : {1, 2, 3}) machine.mounted({loop});
  EXPECT_THAT(machine.mounted_on({1}), UnorderedElementsAre(1, 2));
  EXPECT_THAT(machine.partial_on({1}), ElementsAre(2));
  EXPECT_THAT(machine.mounted_on({3}), UnorderedElementsAre(2, 3));
  const StackPlan plan = machine.plan({.devices = {}, .files = {{.device = 0, .inode = 7}}});
  EXPECT_THAT(machine.ids(plan.mounted), UnorderedElementsAre(1, 2, 3));
  EXPECT_THAT(plan.partial, IsEmpty());
}

TEST(StackGraph, TheDeviceBelowALoopTarget) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.loop_on_device(2, 1, {200, 300});
  machine.mounted({1});
  EXPECT_THAT(machine.mounted_on({2}), ElementsAre(1));
  EXPECT_THAT(machine.partial_on({2}), ElementsAre(1)) << "the loop device shows a part of it";
}

TEST(StackGraph, AFileSystemOnAFileIsFrozenBeforeItsHost) {
  // Numbered so that neither order of the list is the right one.
  for (const bool inner_first : {false, true}) {
    MadeUpMachine machine;
    machine.disk(5);
    machine.loop_on_file(3, 70, 5);
    machine.loop_on_file(9, 71, 3);
    machine.loop_on_file(1, 72, 9);
    std::vector<DeviceNumber> supers = {5, 3, 9, 1};
    if (inner_first) std::reverse(supers.begin(), supers.end());
    for (const DeviceNumber super : supers) machine.mounted({super});
    EXPECT_THAT(machine.mounted_on({5}), ElementsAre(1, 9, 3, 5));
    EXPECT_THAT(machine.partial_on({5}), IsEmpty());
    EXPECT_THAT(machine.mounted_on({9}), ElementsAre(1, 9));
    EXPECT_THAT(machine.plan({.devices = {5}, .files = {}}).nodes, ElementsAre(5))
        << "the freeze of the host holds what is over its files";
  }
}

TEST(StackGraph, TheOrderFollowsALogAndALoopOnALoop) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.disk(2);
  machine.loop_on_file(31, 70, 1);
  machine.loop_on_device(32, 31);
  machine.partition(32, 33, 0, 500);
  machine.mounted({1});
  machine.mounted({2, 33});  // its log is in a file on the first
  EXPECT_THAT(machine.mounted_on({1}), ElementsAre(2, 1));
  EXPECT_THAT(machine.partial_on({1}), ElementsAre(2));
  EXPECT_THAT(machine.partial_on({1, 2}), IsEmpty());
}

TEST(StackGraph, APoolIsPartialUntilAllOfItIsGiven) {
  MadeUpMachine machine;
  for (const DeviceNumber disk : {1, 2, 3}) machine.disk(disk);
  machine.mounted({1, 2}, 40);
  EXPECT_THAT(machine.mounted_on({1}), ElementsAre(40));
  EXPECT_THAT(machine.partial_on({1}), ElementsAre(40));
  EXPECT_THAT(machine.partial_on({2, 3}), ElementsAre(40));
  EXPECT_THAT(machine.partial_on({2, 1}), IsEmpty());
}

TEST(StackGraph, WhatIsStripedIsPartialUntilAllOfItIsGiven) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.disk(2);
  machine.partition(1, 11, 100, 400);
  machine.holder(90, {11, 2});
  machine.mounted({90});
  EXPECT_THAT(machine.mounted_on({1}), ElementsAre(90));
  EXPECT_THAT(machine.partial_on({1}), ElementsAre(90));
  EXPECT_THAT(machine.partial_on({11}), ElementsAre(90));
  EXPECT_THAT(machine.partial_on({1, 2}), IsEmpty());
  EXPECT_THAT(machine.partial_on({11, 2}), IsEmpty());
  EXPECT_THAT(machine.partial_on({90}), IsEmpty());
  EXPECT_THAT(machine.plan({.devices = {1}, .files = {}}).nodes, UnorderedElementsAre(1, 11, 90));
}

TEST(StackGraph, AFileSystemOnAPartialOneIsPartialToo) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.disk(2);
  machine.mounted({1, 2}, 40);
  machine.loop_on_file(3, 70, 40);
  machine.mounted({3});
  EXPECT_THAT(machine.mounted_on({1}), ElementsAre(3, 40));
  EXPECT_THAT(machine.partial_on({1}), ElementsAre(3, 40));
  EXPECT_THAT(machine.partial_on({1, 2}), IsEmpty());
}

TEST(StackGraph, AFileOnAFileSystemThatIsMountedNowhere) {
  MadeUpMachine machine;
  machine.disk(1);
  machine.loop_on_file(3, 70, 1);
  machine.mounted({3});
  EXPECT_THAT(machine.mounted_on({1}), ElementsAre(3));
  EXPECT_THAT(machine.partial_on({1}), IsEmpty());
}

TEST(StackGraph, ACircleEnds) {
  MadeUpMachine machine;
  machine.loop_on_file(1, 70, 2);
  machine.loop_on_file(2, 71, 1);
  machine.mounted({1});
  machine.mounted({2});
  EXPECT_THAT(machine.mounted_on({1}), UnorderedElementsAre(1, 2));
}

}  // namespace
}  // namespace blkrewind::host
