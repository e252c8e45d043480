// Image files tracked by extents, through the Engine: what is read, what is shared with the store,
// and that the bytes are right.
#include <gtest/gtest.h>

#include "blkrewind/engine.h"
#include "extent_fixture.h"
#include "io/extent_map.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kImageChunk = 64 * kKiB;

class TrackedImageTest : public ExtentSystem, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (!make_file_system(GetParam())) GTEST_SKIP() << skipped;
    write_bytes(image_, 0, random_bytes(random_, kImageBytes));
    auto opened = Engine::open({.store = mount_point_ + "/store", .create = true});
    ASSERT_TRUE(opened) << opened.error().to_string();
    engine_.emplace(std::move(*opened));
    auto tracked = engine_->start_tracking(image_);
    ASSERT_TRUE(tracked) << tracked.error().to_string();
    ASSERT_EQ(tracked->trackers.size(), 1U);
    EXPECT_EQ(tracked->trackers[0].source, "extents");
    auto first = snapshot("first");
    ASSERT_TRUE(first) << first.error().to_string();
    EXPECT_EQ(first->change_source, "scan");
    first_ = all();
  }
  void TearDown() override {
    if (engine_) {
      EXPECT_TRUE(engine_->stop_tracking(image_));
      engine_.reset();
    }
  }
  std::string all() const { return read_bytes(image_, {0, kImageBytes}); }
  Result<SnapshotReceipt> snapshot(const std::string& name) {
    SnapshotOptions options;
    options.name = name;
    return engine_->snapshot(image_, options);
  }
  void change(std::uint64_t chunk) {
    write_bytes(image_, chunk * kImageChunk + 4096, random_bytes(random_, 4096));
  }

  std::mt19937_64 random_{1};
  std::optional<Engine> engine_;
  std::string first_;
};

TEST_P(TrackedImageTest, SnapshotsReadOnlyWhatChanged) {
  change(7);
  const auto second = snapshot("second");
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_EQ(second->change_source, "extents");
  EXPECT_EQ(second->scanned_bytes, kImageChunk);
  EXPECT_EQ(second->changed_bytes, kImageChunk);
  const auto back = engine_->rollback(image_, "first", {.paranoid = true});
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->change_source, "extents");
  EXPECT_EQ(back->scanned_bytes, kImageChunk);
  EXPECT_TRUE(all() == first_);
  const auto undone = engine_->undo(image_);
  ASSERT_TRUE(undone) << undone.error().to_string();
  EXPECT_EQ(undone->scanned_bytes, kImageChunk);
}

TEST_P(TrackedImageTest, ARollbackSharesTheStoresBlocksAndReadsNothing) {
  change(3);
  change(40);
  const auto back = engine_->rollback(image_, "first", {.undo = false, .paranoid = true});
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->change_source, "extents");
  EXPECT_EQ(back->scanned_bytes, 0U);
  EXPECT_EQ(back->restored_bytes, 2 * kImageChunk);
  EXPECT_TRUE(all() == first_);
  // The restored chunk shares the blocks of a segment.
  const UniqueFd image(::open(image_.c_str(), O_RDONLY | O_CLOEXEC));
  const auto there = io::read_extent_map(image.get(), {3 * kImageChunk, kImageChunk});
  ASSERT_TRUE(there);
  bool found = false;
  for (const auto& entry :
       std::filesystem::directory_iterator(mount_point_ + "/store/disks/1/segments")) {
    const UniqueFd segment(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    const auto map = io::read_extent_map(segment.get(), {0, entry.file_size()});
    ASSERT_TRUE(map);
    for (const auto& extent : map->extents) {
      const std::uint64_t place = there->extents.at(0).physical;
      found =
          found || (extent.physical <= place && place < extent.physical + extent.logical.length);
    }
  }
  EXPECT_TRUE(found);
  // Writing to it does not change the store.
  change(3);
  const auto verified = engine_->verify({});
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->damaged.empty());
}

TEST_P(TrackedImageTest, ACorruptChunkIsNeverShared) {
  change(3);
  for (const auto& entry :
       std::filesystem::directory_iterator(mount_point_ + "/store/disks/1/segments")) {
    for (std::uint64_t at = 4096; at < entry.file_size(); at += 4096) {
      write_bytes(entry.path(), at, std::string(16, '\1'));
    }
  }
  const std::string before = all();
  auto opened = Engine::open({.store = mount_point_ + "/store"});
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->rollback(image_, "first", {.undo = false}));
  EXPECT_TRUE(all() == before);
}

INSTANTIATE_TEST_SUITE_P(On, TrackedImageTest, testing::Values("xfs", "btrfs"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace blkrewind::test
