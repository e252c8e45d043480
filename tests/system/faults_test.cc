// Full file systems and devices that fail: a clear error, the documented exit status, and nothing
// lost. Damaged stores: files/damaged_store_test.cc.
#ifdef BLKREWIND_PROGRAM

#include <sys/mount.h>
#include <sys/stat.h>

#include <optional>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

class FullStore : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    disk_.emplace(make_disk("disk.img", 32 * kMiB));
    tmpfs_.emplace(12 * kMiB);
    store_ = tmpfs_->file("store");
  }

  [[nodiscard]] const std::string& path() const { return disk_->path(); }
  [[nodiscard]] std::string content() const { return digest_of_file(disk_->backing()); }
  [[nodiscard]] std::uint64_t used_bytes() const {
    const auto space = std::filesystem::space(tmpfs_->path());
    return space.capacity - space.free;
  }
  void make_room() const {
    ASSERT_EQ(::mount("tmpfs", tmpfs_->path().c_str(), "tmpfs", MS_REMOUNT, "size=268435456"), 0);
  }
  void expect_no_space(const json& error) const {
    EXPECT_EQ(error.value("code", ""), "NoSpace") << error.dump();
    EXPECT_EQ(error.value("errno", 0), ENOSPC) << error.dump();
    EXPECT_NE(error.dump().find(store_), std::string::npos) << error.dump();
  }

  std::optional<LoopDevice> disk_;
  std::optional<Tmpfs> tmpfs_;
};

TEST_F(FullStore, DuringTheFirstSnapshot) {
  write_noise(path(), 0, 32 * kMiB, 1);
  const std::string before = content();
  ask({"store", "init"});
  const std::uint64_t empty = used_bytes();
  expect_no_space(ask({"snapshot", path(), "--name", "before"}, 4));
  EXPECT_EQ(content(), before);

  ask({"store", "info"});
  ask({"list"});
  ask({"store", "gc"});
  EXPECT_LT(used_bytes(), empty + kMiB) << "what the failed snapshot took is given back";
  expect_no_space(ask({"snapshot", path(), "--name", "before"}, 4));  // and it fails the same way
  make_room();
  ask({"snapshot", path(), "--name", "before"});
  write_noise(path(), kMiB, kMiB, 2);
  ask({"rollback", path(), "before"});
  EXPECT_EQ(content(), before);
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
}

TEST_F(FullStore, DuringTheCaptureForUndo) {
  write_noise(path(), 0, 4 * kMiB, 1);
  const std::string before = content();
  ask({"snapshot", path(), "--name", "before"});
  const std::uint64_t used = used_bytes();
  write_noise(path(), 2 * kMiB, 30 * kMiB, 2);
  const std::string changed = content();
  expect_no_space(ask({"rollback", path(), "before"}, 4));
  EXPECT_EQ(content(), changed) << "nothing is overwritten before it is kept";
  EXPECT_TRUE(only_disk().at("pending_rollback").is_null());
  ask({"store", "gc"});
  EXPECT_LT(used_bytes(), used + kMiB);
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());

  ask({"rollback", path(), "before", "--no-undo"});  // needs almost no space
  EXPECT_EQ(content(), before);
  write_noise(path(), 2 * kMiB, 30 * kMiB, 2);
  make_room();
  ask({"rollback", path(), "before"});
  EXPECT_EQ(content(), before);
  ask({"undo", path()});
  EXPECT_EQ(content(), changed);
}

class FailingDevice : public DeviceSystem {};

TEST_F(FailingDevice, EioInTheMiddleOfARead) {
  constexpr std::uint64_t kSize = 64 * kMiB;
  constexpr std::uint64_t kShort = 32 * kMiB;
  // Only a loop device with direct I/O returns EIO for reads past the end of its file.
  const LoopDevice disk = LoopDevice::make(file("disk.img"), kSize, 4096, {.direct_io = true});
  std::ifstream flag("/sys/class/block/" + disk.path().substr(5) + "/loop/dio");
  if (int direct = 0; !(flag >> direct) || direct != 1) {
    GTEST_SKIP() << "needs direct I/O under a loop device";
  }
  write_noise(disk.path(), 0, kSize, 1);
  ask({"snapshot", disk.path(), "--name", "before"});
  write_noise(disk.path(), 0, kMiB, 2);
  std::filesystem::resize_file(disk.backing(), kShort);
  const std::string now = digest_of_file(disk.backing());
  for (const std::vector<std::string>& line : {std::vector<std::string>{"snapshot", disk.path()},
                                               {"rollback", disk.path(), "before"},
                                               {"rollback", disk.path(), "before", "--dry-run"},
                                               {"diff", disk.path(), "before"}}) {
    const json error = ask(line, 4);
    EXPECT_EQ(error.value("code", ""), "Io") << error.dump();
    EXPECT_EQ(error.value("errno", 0), EIO) << error.dump();
    EXPECT_NE(error.value("message", "").find(disk.path()), std::string::npos) << error.dump();
    ASSERT_TRUE(error.contains("extent") && error.at("extent").is_object()) << error.dump();
    const std::uint64_t begin = error.at("extent").value("offset", std::uint64_t{0});
    const std::uint64_t end = begin + error.at("extent").value("length", std::uint64_t{0});
    EXPECT_GT(end, kShort) << error.dump();
    EXPECT_LE(end, kSize) << error.dump();
    EXPECT_EQ(digest_of_file(disk.backing()), now);
    EXPECT_TRUE(only_disk().at("pending_rollback").is_null());
  }
  // The disk is intact again: everything is as before.
  std::filesystem::resize_file(disk.backing(), kSize);
  ask({"rollback", disk.path(), "before"});
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
