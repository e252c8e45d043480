// Between the record that ends an operation and the release of its disk's lock.
#include <functional>
#include <utility>

#include "control/engine_internal.h"
#include "support/errors.h"
#include "support/simulated_env.h"
#include "track/trackers.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

constexpr const char* kDevice = "/dev/sim0";

// Tracks nothing, and looks at the moment at which it is told of the new base: after the record.
class Watcher final : public track::Trackers {
 public:
  explicit Watcher(std::function<void()> look) : look_(std::move(look)) {}

  Status start(track::TrackerKind /*kind*/, const track::TrackedDisk& /*disk*/) override {
    return {};
  }
  Result<std::vector<std::string>> stop(const track::TrackedDisk& /*disk*/) override {
    return std::vector<std::string>{};
  }
  std::vector<std::unique_ptr<track::Tracker>> find(const track::TrackedDisk& /*disk*/) override {
    std::vector<std::unique_ptr<track::Tracker>> found;
    found.push_back(std::make_unique<Tracker>(look_));
    return found;
  }
  Result<std::vector<track::TrackerState>> states(const track::TrackedDisk& /*disk*/,
                                                  const std::string& /*base*/) override {
    return std::vector<track::TrackerState>{};
  }

 private:
  class Tracker final : public track::Tracker {
   public:
    explicit Tracker(const std::function<void()>& look) : look_(look) {}
    const char* name() const override { return "watcher"; }
    Result<std::optional<std::string>> begin(const std::string& /*base*/,
                                             track::TrackUse /*use*/) override {
      return std::optional<std::string>("it tracks nothing");
    }
    Result<Extent> changed(std::uint64_t /*offset*/) override { return Extent{}; }
    Status prepare(const std::string& /*id*/, track::Collected /*before*/) override { return {}; }
    Status commit() override {
      look_();
      return {};
    }
    Status abandon() override { return {}; }
    Status distrust(const std::string& /*why*/) override { return {}; }

   private:
    const std::function<void()>& look_;
  };

  std::function<void()> look_;
};

// A client that sees the end uses the disk at once: what has ended and still holds the lock is
// shown as at work. Another process cannot tell, and is refused as busy for that long.
TEST(AtWork, AnEndIsShownWhenTheDiskIsFree) {
  sim::SimulatedEnv env;
  env.add_device(kDevice, 1 << 20, host::DeviceKind::kBlock);
  int looks = 0;
  std::function<void()> look = [] {};
  Watcher watcher([&] {
    ++looks;
    look();
  });
  OpenOptions options;
  options.store = "/store";
  options.create = true;
  options.threads = 1;
  auto engine = EngineAccess::open(env, options, ":memory:", &watcher);
  ASSERT_TRUE(ok(engine));
  const auto disk = engine->register_disk(kDevice);
  ASSERT_TRUE(ok(disk));
  const auto view = [&] { return EngineAccess::operations(*engine).disks()->front(); };

  auto taken = engine->accept_snapshot(disk->id);
  ASSERT_TRUE(ok(taken));
  look = [&] {
    EXPECT_EQ(view().snapshots.front().state, format::SnapshotState::kAccomplished);
    EXPECT_TRUE(view().locked);
    EXPECT_EQ(engine->snapshots()->front().status, SnapshotStatus::kProgressing);
  };
  ASSERT_TRUE(ok(taken->run()));
  EXPECT_EQ(engine->snapshots()->front().status, SnapshotStatus::kAccomplished);

  const std::vector<std::byte> change(4096, std::byte{7});
  env.poke(kDevice, 65536, change);
  auto reset = engine->accept_rollback(disk->id, taken->snapshot_id());
  ASSERT_TRUE(ok(reset));
  look = [&] {
    EXPECT_EQ(view().reset->state, ResetState::kDone);
    EXPECT_TRUE(view().locked);
    EXPECT_EQ(engine->disk(disk->id)->last_reset->state, ResetState::kAccepted);
    EXPECT_EQ(engine->disk(disk->id)->last_reset->finished_at, 0);
    EXPECT_EQ(engine->disk(disk->id)->status, "ReIniting");
  };
  ASSERT_TRUE(ok(reset->run()));
  EXPECT_EQ(engine->disk(disk->id)->last_reset->state, ResetState::kDone);
  EXPECT_EQ(engine->disk(disk->id)->status, "In_use");
  EXPECT_EQ(looks, 2);
}

}  // namespace
}  // namespace blkrewind::test
