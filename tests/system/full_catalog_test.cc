// The catalog on a file system that is full, or nearly: each command answers, none ends by a
// signal, and everything is there again when there is room.
#ifdef BLKREWIND_PROGRAM

#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "base/fd.h"
#include "system/device_fixture.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::test {
namespace {

namespace fs = std::filesystem;
using control::EarlierProgram;

enum class Before { kNoCatalog, kCatalog, kLogOfAnEarlierVersion };

class FullCatalog : public DeviceSystem, public testing::WithParamInterface<Before> {
 protected:
#ifdef __SANITIZE_ADDRESS__
  static constexpr std::uint64_t kStep = 40 * kKiB;  // each program takes a while to start
#else
  static constexpr std::uint64_t kStep = 8 * kKiB;
#endif
  static constexpr std::uint64_t kMost = 300 * kKiB;

  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    image_ = file("disk.img");
    write_noise(image_, 0, kMiB, 1);
  }

  // The store is made where it is used, because its reserve is no content that can be copied.
  void make_store() const {
    fs::remove_all(store_);
    ask({"snapshot", image_, "--name", "first"});
    if (GetParam() == Before::kNoCatalog) return;
    ask({"instance", "create", "i-old"});
    if (GetParam() == Before::kCatalog) return;
    // As after a power cut: the last rows are in the log, and the file has no room for them.
    const std::string path = store_ + "/catalog.db";
    std::vector<std::string> ids = {"i-older"};
    for (int i = 0; i < 60; ++i) ids.push_back("i-m" + std::to_string(i));
    {
      const EarlierProgram earlier(path, ids);
      for (const char* suffix : {"", "-wal"}) fs::copy(path + suffix, path + suffix + "-cut");
    }
    for (const char* suffix : {"", "-wal"}) fs::rename(path + suffix + "-cut", path + suffix);
  }

  // What the file system has left is `left` bytes.
  static void leave(const std::string& folder, std::uint64_t left) {
    const std::string fill = folder + "/fill";
    const UniqueFd fd(::open(fill.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd.valid());
    const std::string block(kStep, 'f');
    std::uint64_t length = 0;
    for (ssize_t n = 1; n > 0; length += static_cast<std::uint64_t>(std::max<ssize_t>(n, 0))) {
      n = ::write(fd.get(), block.data(), block.size());
      if (n < 0 && errno != ENOSPC) throw std::runtime_error("write " + fill);
    }
    ASSERT_EQ(::syncfs(fd.get()), 0);
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(length - std::min(left, length))), 0);
    ASSERT_EQ(::syncfs(fd.get()), 0);
  }

  // The exit status: success, or that there is no room.
  int status_of(const std::vector<std::string>& arguments) const {
    const CliOutcome outcome = run(arguments);
    const bool full = outcome.status == 4 && outcome.err.find("NoSpace") != std::string::npos;
    EXPECT_TRUE(outcome.status == 0 || full) << arguments[0] << ": " << outcome.status << "\n"
                                             << outcome.err;
    return outcome.status;
  }

  void look_at(const std::string& folder) {
    store_ = folder + "/store";
    for (std::uint64_t left = 0; left <= kMost; left += kStep) {
      SCOPED_TRACE(std::to_string(left / kKiB) + " KiB left in " + folder);
      make_store();
      leave(folder, left);
      EXPECT_EQ(status_of({"list"}), 0);
      const bool created = status_of({"instance", "create", "i-new"}) == 0;
      const bool detached = status_of({"disk", "detach", image_}) == 0;
      EXPECT_EQ(status_of({"list"}), 0);
      EXPECT_EQ(status_of({"verify"}), 0);
      EXPECT_EQ(status_of({"delete", "first"}), 0);
      EXPECT_EQ(status_of({"store", "gc"}), 0);
      created_ += created ? 1 : 0;
      fs::remove(folder + "/fill");

      std::set<std::string> ids;
      const json shown = ask({"instance", "show"});
      for (const json& row : shown.at("instances")) ids.insert(row.at("instance_id"));
      EXPECT_EQ(ids.contains("i-new"), created);
      EXPECT_EQ(ids.contains("i-old"), GetParam() != Before::kNoCatalog);
      EXPECT_EQ(ids.contains("i-older"), GetParam() == Before::kLogOfAnEarlierVersion);
      ask({"disk", "detach", image_}, detached ? 3 : 0);
      ask({"instance", "create", "i-last"});
      std::set<std::string> names;
      for (const auto& entry : fs::directory_iterator(store_))
        names.insert(entry.path().filename());
      EXPECT_EQ(names, (std::set<std::string>{"catalog.db", "disks", "format", "index"}));
      if (HasFailure()) return;
    }
  }

  std::string image_;
  std::uint64_t created_ = 0;  // of the steps, at the last ones
};

TEST_P(FullCatalog, OnTmpfs) {
  const Tmpfs tmpfs(8 * kMiB);
  look_at(tmpfs.path());
  EXPECT_GT(created_, kMost / kStep / 5);
}

TEST_P(FullCatalog, OnExt4) {
  const LoopDevice device = LoopDevice::make(file("ext4.img"), 16 * kMiB);
  run_program({"mkfs.ext4", "-q", "-m", "0", device.path()});
  const TempDir target;
  const Mount mount(device.path(), target.path(), "ext4");
  look_at(mount.path());
  EXPECT_GT(created_, kMost / kStep / 5);
}

INSTANTIATE_TEST_SUITE_P(Catalogs, FullCatalog,
                         testing::Values(Before::kNoCatalog, Before::kCatalog,
                                         Before::kLogOfAnEarlierVersion),
                         [](const auto& tested) -> std::string {
                           switch (tested.param) {
                             case Before::kNoCatalog:
                               return "NoCatalog";
                             case Before::kCatalog:
                               return "Catalog";
                             case Before::kLogOfAnEarlierVersion:
                               return "LogOfAnEarlierVersion";
                           }
                           return "";
                         });

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
