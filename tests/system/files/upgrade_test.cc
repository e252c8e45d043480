// `store upgrade` of the built program: its statuses and its JSON, beside another process, and
// killed.
#ifdef BLKREWIND_PROGRAM

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "io/file_lock.h"
#include "store/home/local_layout.h"
#include "support/golden_store.h"
#include "system/cli_fixture.h"

namespace blkrewind::test {
namespace {

namespace fs = std::filesystem;

class CliUpgrade : public Cli {
 protected:
  void SetUp() override { make_old_store(); }

  void make_old_store() {
    fs::remove_all(program_.store());
    fs::copy(fs::path(golden_folder(1)) / "store", program_.store(), fs::copy_options::recursive);
  }

  void expect_whole() {
    const json verified = ask({"verify"});
    EXPECT_EQ(verified.at("snapshot_count"), 5);
    EXPECT_EQ(verified.at("chunk_count"), 5);
    EXPECT_EQ(verified.at("damaged"), json::array());
  }
};

TEST_F(CliUpgrade, OfAnOldStoreThatIsOnlyRead) {
  expect_whole();
  const json refused = ask({"store", "gc"}, 4);
  EXPECT_EQ(refused.at("code"), "Unsupported");
  EXPECT_EQ(refused.at("remedy").at("steps").at(0).at("verb"), "store_upgrade");

  const json done = ask({"store", "upgrade"});
  EXPECT_EQ(done.at("upgraded"), true);
  EXPECT_EQ(done.at("resumed"), false);
  EXPECT_EQ(done.at("disk_count"), 2);
  EXPECT_EQ(done.at("snapshot_count"), 5);
  EXPECT_EQ(done.at("moved_segments"), 11);
  EXPECT_EQ(done.at("warnings"), json::array());
  EXPECT_EQ(ask({"store", "info"}).at("format_version"), 2);
  expect_whole();
  EXPECT_EQ(ask({"store", "upgrade"}).at("upgraded"), false);
  EXPECT_TRUE(ask({"store", "gc"}).is_object());
  expect_whole();
}

TEST_F(CliUpgrade, WithoutAStoreIsAnError) {
  fs::remove_all(program_.store());
  EXPECT_EQ(ask({"store", "upgrade"}, 3).at("code"), "NotFound");
}

TEST_F(CliUpgrade, IsRefusedWhileAnotherProcessWorksOnADisk) {
  const store::LocalLayout layout(program_.store());
  {
    const auto held = io::lock_byte(layout.format(), store::LocalLayout::lease_lock(1),
                                    io::LockMode::kExclusive, false);
    ASSERT_TRUE(held && *held);
    EXPECT_EQ(ask({"store", "upgrade"}, 6).at("code"), "Busy");
    EXPECT_EQ(ask({"store", "info"}).at("format_version"), 1);
  }
  EXPECT_EQ(ask({"store", "upgrade"}).at("upgraded"), true);
  expect_whole();
}

// At whatever moment it is killed, the next one completes it.
TEST_F(CliUpgrade, IsCompletedAfterItWasKilled) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int i = 0; i < 20 && !HasFailure(); ++i) {
    make_old_store();
    {
      CliProcess upgrade({}, {"--store", program_.store(), "store", "upgrade"}, null.get(),
                         null.get());
      std::this_thread::sleep_for(std::chrono::microseconds(1000 * i));
      upgrade.kill(SIGKILL);
      (void)upgrade.wait();
    }
    EXPECT_TRUE(ask({"store", "upgrade"}).is_object());
    EXPECT_EQ(ask({"store", "info"}).at("format_version"), 2);
    expect_whole();
    EXPECT_FALSE(fs::exists(program_.store() + "/segments"));
  }
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
