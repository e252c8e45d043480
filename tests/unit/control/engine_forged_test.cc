// The engine with a store of an attacker.
#include <atomic>
#include <string>

#include "support/errors.h"
#include "support/forged_store.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

// The lineage of every snapshot includes all before it. In a real store it has at most two when it
// is taken.
class DenseLineage : public testing::Test {
 protected:
  static constexpr std::uint64_t kCount = 60;

  DenseLineage() {
    format::Node leaf;
    leaf.entries[0] = {format::EntryState::kStored, format::Codec::kNone, 1, 2, 4096, {7, 8}};
    store_.write_segment(1, {store_.node_block(leaf), std::vector<std::byte>(4096)});
    format::Transaction records = {format::Counters{2, kCount + 1, 2}, forged_disk(),
                                   format::SegmentRecord{1, 8192}};
    format::SnapshotRecord snapshot = store_.snapshot_of(leaf, 1, 1);
    for (std::uint64_t number = 1; number <= kCount; ++number) {
      snapshot.number = number;
      snapshot.id = "s-" + std::to_string(number);
      snapshot.name = "n" + std::to_string(number);
      records.emplace_back(snapshot);
      snapshot.kin.push_back(number);
    }
    store_.write_log({records});
  }
  [[nodiscard]] Engine open() const {
    OpenOptions options;
    options.store = store_.path();
    auto engine = Engine::open(options);
    if (!engine) throw std::runtime_error(engine.error().to_string());
    return std::move(*engine);
  }

  TempDir dir_;
  ForgedStore store_{dir_.file("store")};
};

TEST_F(DenseLineage, ForgettingTheDiskStopsBetweenTwoSnapshotsAndGoesOn) {
  Engine engine = open();
  constexpr int kDeletes = 7;
  std::atomic<bool> cancel = false;
  int deleted = 0;
  Monitor monitor;
  monitor.cancel = &cancel;
  monitor.progress = [&](const Progress& progress) {
    if (progress.done_bytes == progress.total_bytes && ++deleted == kDeletes) cancel = true;
  };
  const auto stopped = engine.forget_disk("d-forged", true, monitor);
  ASSERT_TRUE(failed(stopped, Errc::kCancelled));
  EXPECT_THAT(words_of(stopped.error()), HasSubstr("do the same again"));
  const auto left = engine.snapshots();
  ASSERT_TRUE(ok(left));
  EXPECT_EQ(left->size(), kCount - kDeletes);
  cancel = false;
  ASSERT_TRUE(ok(engine.forget_disk("d-forged", true, monitor)));
  EXPECT_TRUE(engine.disks()->empty());
  EXPECT_EQ(deleted, static_cast<int>(kCount));
  const auto info = engine.store_info();
  ASSERT_TRUE(ok(info));
  EXPECT_EQ(info->segments, 0U);
}

}  // namespace
}  // namespace blkrewind::test
