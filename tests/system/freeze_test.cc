// Freezing and thawing by the operation itself, and by its guard when the limit has passed.
#include <sys/file.h>

#include "system/freeze_fixture.h"

namespace blkrewind::test {
namespace {

TEST_F(FreezeSystem, HoldsAWriterStill) {
  for (const std::string type : {"ext4", "xfs", "btrfs"}) {
    SCOPED_TRACE(type);
    const auto system = make(type, type);
    const auto freeze = prepared(kLong, system);
    EXPECT_FALSE(system->is_frozen());
    EXPECT_EQ(state_files().size(), 1U);
    ASSERT_TRUE(ok(freeze->freeze()));
    EXPECT_TRUE(freeze->is_held());
    EXPECT_TRUE(system->is_frozen());
    Status thawed;
    {
      const OneWrite write(system->file("new"));
      EXPECT_TRUE(comes_true([&] { return write.is_held_still(); }));
      EXPECT_TRUE(freeze->is_held());
      thawed = freeze->thaw();
      EXPECT_TRUE(comes_true([&] { return write.done(); }));
    }
    EXPECT_TRUE(ok(thawed));
    EXPECT_FALSE(freeze->is_held());
    EXPECT_FALSE(system->is_frozen());
    EXPECT_TRUE(state_files().empty());
    EXPECT_TRUE(guards().empty());
  }
}

TEST_F(FreezeSystem, TheDestructorThaws) {
  const auto system = make("ext4", "a");
  {
    const auto freeze = prepared(kLong, system);
    ASSERT_TRUE(ok(freeze->freeze()));
    EXPECT_TRUE(system->is_frozen());
  }
  EXPECT_FALSE(system->is_frozen());
  { const auto freeze = prepared(kLong, system); }
  EXPECT_TRUE(guards().empty());
  EXPECT_TRUE(state_files().empty());
}

TEST_F(FreezeSystem, NestedFileSystemsInTheirOrder) {
  const auto host = make("xfs", "host");
  {
    const FrozenFileSystem top(host->file("top.img"), directory_.file("top"), "ext4");
    for (int i = 0; i < 3; ++i) {
      std::ofstream(top.file("dirty")) << std::string(4 * kMiB, 'd');
      const auto freeze = prepared(kLong, &top, host);
      std::vector<freeze::Held> dirty;
      dirty.push_back(top.held());
      freeze::write_back(dirty, 3);
      ASSERT_TRUE(ok(freeze->freeze()));
      EXPECT_TRUE(top.is_frozen());
      EXPECT_TRUE(host->is_frozen());
      EXPECT_TRUE(freeze->is_held());
      ASSERT_TRUE(ok(freeze->thaw()));
      EXPECT_FALSE(top.is_frozen());
      EXPECT_FALSE(host->is_frozen());
    }
  }
}

TEST_F(FreezeSystem, AFreezeOfAnotherProgramIsRefusedAndLeftAlone) {
  const auto first = make("ext4", "a");
  const auto second = make("xfs", "b");
  second->freeze_by_others();
  const auto freeze = prepared(kLong, first, second);
  const Status frozen = freeze->freeze();
  ASSERT_TRUE(failed(frozen, Errc::kBusy));
  EXPECT_NE(frozen.error().message.find(second->point()), std::string::npos);
  EXPECT_FALSE(freeze->is_held());
  EXPECT_FALSE(first->is_frozen());
  EXPECT_TRUE(second->is_frozen());
  EXPECT_TRUE(guards().empty());
  second->thaw_by_others();
}

TEST_F(FreezeSystem, WhatCannotBeFrozenIsRefused) {
  const auto system = make("ext4", "a");
  const Tmpfs memory(kMiB);
  std::vector<freeze::Held> held;
  held.push_back(system->held());
  held.push_back({{.id = 1, .type = "tmpfs", .mount_point = memory.path(), .devices = {}},
                  open_directory(memory.path())});
  const auto freeze = freeze::prepare(std::move(held), kLong);
  ASSERT_TRUE(ok(freeze));
  EXPECT_TRUE(failed((*freeze)->freeze(), Errc::kUnsupported));
  EXPECT_FALSE(system->is_frozen());
}

TEST_F(FreezeSystem, TheGuardThawsWhenTheLimitHasPassed) {
  for (const std::string type : {"ext4", "btrfs"}) {
    const auto first = make(type, "a" + type);
    const auto second = make("xfs", "b" + type);
    const auto freeze = prepared(milliseconds(300), first, second);
    ASSERT_TRUE(ok(freeze->freeze()));
    EXPECT_TRUE(comes_true([&] { return !freeze->is_held(); }));
    EXPECT_TRUE(comes_true([&] { return !first->is_frozen() && !second->is_frozen(); }));
    EXPECT_TRUE(failed(freeze->thaw(), Errc::kBusy));
  }
}

TEST_F(FreezeSystem, AThawByAnotherProgramIsReported) {
  const auto first = make("ext4", "a");
  const auto second = make("xfs", "b");
  const auto freeze = prepared(kLong, first, second);
  ASSERT_TRUE(ok(freeze->freeze()));
  second->thaw_by_others();
  const Status thawed = freeze->thaw();
  ASSERT_TRUE(failed(thawed, Errc::kBusy));
  EXPECT_NE(thawed.error().message.find(second->point()), std::string::npos);
  EXPECT_FALSE(first->is_frozen());
}

// The host is frozen by another program, so that writing back what is dirty takes until that ends.
TEST_F(FreezeSystem, AFreezeThatTakesLongerThanTheLimitThawsAll) {
  const auto free = make("xfs", "free");
  const auto host = make("ext4", "host");
  const FrozenFileSystem slow(host->file("slow.img"), directory_.file("slow"), "ext4");
  run_program({"sync", "-f", slow.point()});
  std::ofstream(slow.file("dirty")) << std::string(8 * kMiB, 'd');
  host->freeze_by_others();
  const auto freeze = prepared(milliseconds(200), free, &slow);
  Status frozen;
  std::atomic<bool> ended = false;
  std::thread operation([&] {
    frozen = freeze->freeze();
    ended = true;
  });
  std::this_thread::sleep_for(milliseconds(400));
  {
    const OneWrite write(free->file("new"));
    EXPECT_TRUE(comes_true([&] { return write.is_held_still(); }));
    EXPECT_FALSE(ended);
    host->thaw_by_others();
  }
  operation.join();
  EXPECT_TRUE(failed(frozen, Errc::kBusy));
  EXPECT_FALSE(free->is_frozen());
  EXPECT_FALSE(slow.is_frozen());
  EXPECT_FALSE(host->is_frozen());
}

// The kernel waits for a write that is under way, and until then answers EINVAL to a thaw.
TEST_F(FreezeSystem, AFreezeThatWaitsForAWriterIsThawedWhenItIsComplete) {
  const auto free = make("xfs", "free");
  const auto host = make("ext4", "host");
  const FrozenFileSystem slow(host->file("slow.img"), directory_.file("slow"), "ext4");
  run_program({"sync", "-f", slow.point()});
  host->freeze_by_others();
  const auto freeze = prepared(milliseconds(200), free, &slow);
  Status frozen;
  {
    const OneWrite under_way(slow.file("new"), O_SYNC);
    EXPECT_TRUE(comes_true([&] { return under_way.is_held_still(); }));
    std::atomic<bool> ended = false;
    std::thread operation([&] {
      frozen = freeze->freeze();
      ended = true;
    });
    std::this_thread::sleep_for(milliseconds(400));
    EXPECT_FALSE(ended);
    host->thaw_by_others();
    operation.join();
  }
  EXPECT_TRUE(failed(frozen, Errc::kBusy));
  EXPECT_FALSE(free->is_frozen());
  EXPECT_FALSE(slow.is_frozen());
}

TEST_F(FreezeSystem, NothingIsFrozenTwiceByOneObject) {
  const auto system = make("ext4", "a");
  const auto freeze = prepared(kLong, system);
  ASSERT_TRUE(ok(freeze->freeze()));
  EXPECT_TRUE(failed(freeze->freeze(), Errc::kInternal));
  EXPECT_TRUE(freeze->is_held());
  ASSERT_TRUE(ok(freeze->thaw()));
  EXPECT_TRUE(ok(freeze->thaw()));

  std::vector<freeze::Held> twice;
  twice.push_back(system->held());
  twice.push_back(system->held());
  EXPECT_TRUE(failed(freeze::prepare(std::move(twice), kLong), Errc::kInvalidArgument));
}

}  // namespace
}  // namespace blkrewind::test
