// Trackers in the kernel are found and stopped without the store that they belong to.
#ifdef BLKREWIND_PROGRAM

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

class TrackPins : public DeviceSystem {
 protected:
  // For any store; others may run on this machine.
  static json entry_of(const json& list, const std::string& disk_id) {
    for (const json& entry : list) {
      if (entry.value("disk_id", "") == disk_id) return entry;
    }
    return json::object();
  }
  static json all() {
    const CliOutcome outcome = CliProgram().run_with(
        {}, {"--store", "/nonexistent/store", "--json", "track", "list", "--all"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json::parse(outcome.out, nullptr, false).value("trackers", json::array());
  }
  static json prune(bool dry_run) {
    std::vector<std::string> line = {"--json", "track", "prune"};
    if (dry_run) line.emplace_back("--dry-run");
    const CliOutcome outcome = CliProgram().run(line);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json::parse(outcome.out, nullptr, false).value("pruned", json::array());
  }
  // The disk's id; empty: tracking is not available here.
  [[nodiscard]] std::string track(const LoopDevice& disk) const {
    const CliOutcome outcome = run({"track", "start", disk.path()});
    if (outcome.status != 0 && lacks_kernel_tracking(outcome.err)) return {};
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json::parse(outcome.out, nullptr, false).value("disk_id", "");
  }
};

TEST_F(TrackPins, OfADeletedStoreAreListedAndRemoved) {
  const LoopDevice disk = make_disk("disk.img", 16 * kMiB);
  const std::string id = track(disk);
  if (id.empty()) GTEST_SKIP() << "needs tracking in the kernel";
  const json here = entry_of(all(), id);
  EXPECT_EQ(here.value("device", ""), disk.path()) << here.dump();
  EXPECT_EQ(here.value("store", ""), store_);
  EXPECT_TRUE(here.value("gone", json()).is_null());
  EXPECT_EQ(entry_of(ask({"track", "list"}).at("trackers"), id), here);
  EXPECT_TRUE(entry_of(prune(true), id).empty());

  std::filesystem::remove_all(store_);
  const json left = entry_of(all(), id);
  EXPECT_NE(left.dump().find("no longer a store"), std::string::npos) << left.dump();
  EXPECT_EQ(entry_of(prune(true), id), left);
  EXPECT_EQ(entry_of(all(), id), left);
  EXPECT_EQ(entry_of(prune(false), id), left);
  EXPECT_TRUE(entry_of(all(), id).empty());
}

TEST_F(TrackPins, OfADetachedDeviceAreRemoved) {
  std::string id;
  {
    LoopDevice disk = make_disk("disk.img", 16 * kMiB);
    id = track(disk);
    if (id.empty()) GTEST_SKIP() << "needs tracking in the kernel";
    disk.detach();
    const LoopDevice next = make_disk("next.img", 16 * kMiB);  // perhaps of the same number
    EXPECT_FALSE(entry_of(prune(false), id).empty());
  }
  EXPECT_TRUE(entry_of(all(), id).empty());
}

TEST_F(TrackPins, OfAnotherStoreAreNotListedForThisOne) {
  const LoopDevice disk = make_disk("disk.img", 16 * kMiB);
  const std::string id = track(disk);
  if (id.empty()) GTEST_SKIP() << "needs tracking in the kernel";
  const std::string other = file("other");
  ASSERT_EQ(CliProgram().run_with({}, {"--store", other, "store", "init"}).status, 0);
  const CliOutcome outcome =
      CliProgram().run_with({}, {"--store", other, "--json", "track", "list"});
  EXPECT_TRUE(entry_of(json::parse(outcome.out).at("trackers"), id).empty()) << outcome.out;
  ask({"track", "stop", disk.path()});
  EXPECT_TRUE(entry_of(all(), id).empty());
}

}  // namespace
}  // namespace blkrewind::test

#endif
