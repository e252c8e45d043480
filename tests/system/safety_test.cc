// Each reason not to write to a device, on real devices: refused before anything is written, and
// accepted as soon as the reason is gone.
#ifdef BLKREWIND_PROGRAM

#include <functional>
#include <optional>

#include "system/device_fixture.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kSize = 64 * kMiB;

class Safety : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    disk_.emplace(make_disk("disk.img", kSize));
  }

  [[nodiscard]] const std::string& path() const { return disk_->path(); }

  // A snapshot "before" of the current content, and a change after it.
  void take_and_damage() {
    before_ = digest_of_file(disk_->backing());
    ask({"snapshot", path(), "--name", "before"});
    write_noise(path(), 40 * kMiB, kMiB, 5);
  }

  // All operations that open the device exclusively.
  void expect_all_refused(const std::string& part) {
    expect_refused(*disk_, {"rollback", path(), "before"}, part);
    expect_refused(*disk_, {"rollback", path(), "before", "--dry-run"}, part);
    expect_refused(*disk_, {"rollback", path(), "before", "--no-undo"}, part);
    expect_refused(*disk_, {"snapshot", path(), "--offline"}, part);
  }

  void expect_accepted() {
    ask({"rollback", path(), "before"});
    EXPECT_EQ(digest_of_file(disk_->backing()), before_);
  }

  std::optional<LoopDevice> disk_;
  std::string before_;
};

TEST_F(Safety, Mounted) {
  run_program({"mkfs.ext4", "-q", path()});
  take_and_damage();
  {
    const Mount mount(path(), make_directory("mount"), "ext4", "noload");
    expect_all_refused("mounted on " + mount.path());
  }
  expect_accepted();
}

TEST_F(Safety, UndoIsRefusedLikeARollback) {
  run_program({"mkfs.ext4", "-q", path()});
  take_and_damage();
  ask({"rollback", path(), "before"});
  const Mount mount(path(), make_directory("mount"), "ext4", "noload");
  expect_refused(*disk_, {"undo", path()}, "mounted on " + mount.path());
}

TEST_F(Safety, Swap) {
  { const SwappedOn swap(path()); }
  take_and_damage();
  {
    const SwappedOn swap(path());
    expect_all_refused("used as swap");
  }
  expect_accepted();
}

TEST_F(Safety, HeldByALoopDeviceOnTop) {
  take_and_damage();
  {
    const LoopDevice upper = LoopDevice::make(path(), 0);
    expect_all_refused("backs " + upper.path());
  }
  expect_accepted();
}

TEST_F(Safety, OpenedExclusivelyByAnotherProgram) {
  take_and_damage();
  {
    const UniqueFd other(::open(path().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    ASSERT_TRUE(other.valid());
    expect_all_refused("opened exclusively");
  }
  expect_accepted();
}

TEST_F(Safety, OpenForWritingInAnotherProgram) {
  take_and_damage();
  {
    const UniqueFd other(::open(path().c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(other.valid());
    expect_all_refused("open for writing in test_system (process " + std::to_string(::getpid()));
  }
  {
    const UniqueFd other(::open(disk_->backing().c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(other.valid());
    expect_all_refused("open for writing in test_system (process " + std::to_string(::getpid()));
  }
  expect_accepted();
}

TEST_F(Safety, ImportsOfWhatIsMounted) {
  run_program({"mkfs.ext4", "-q", path()});
  take_and_damage();
  const std::string alias = file("alias");
  std::filesystem::create_symlink(path(), alias);
  {
    const Mount mount(path(), make_directory("mount"), "ext4", "noload");
    for (const std::string& source : {path(), alias, disk_->backing()}) {
      const json error = ask({"import", path(), source}, 3);
      EXPECT_NE(error.dump().find("mounted on " + mount.path()), std::string::npos) << error;
    }
  }
  ask({"import", path(), alias, "--name", "imported"});
}

TEST_F(Safety, ReadOnlyDevicesCanBeReadButNotRolledBack) {
  take_and_damage();
  disk_->detach();
  {
    const LoopDevice read_only = LoopDevice::make(file("disk.img"), 0, 512, {.read_only = true});
    for (const std::string option : {"", "--no-undo"}) {
      std::vector<std::string> line = {"rollback", read_only.path(), "before"};
      if (!option.empty()) line.push_back(option);
      expect_refused(read_only, line, "read-only");
    }
    ask({"diff", read_only.path(), "before"});
    ask({"snapshot", read_only.path(), "--name", "damaged"});
  }
  disk_.emplace(make_disk("disk.img", 0));
  expect_accepted();
}

TEST_F(Safety, SmallerAndLargerThanAtTheSnapshot) {
  take_and_damage();
  const auto resize = [&](std::uint64_t bytes) {
    std::filesystem::resize_file(disk_->backing(), bytes);
    disk_->reread_size();
  };
  for (const std::uint64_t bytes : {kSize + kMiB, kSize + 512}) {
    resize(bytes);
    const json error =
        expect_refused(*disk_, {"rollback", path(), "before"}, std::to_string(bytes));
    EXPECT_EQ(error.at("code"), "OperationDenied");
    expect_refused(*disk_, {"rollback", path(), "before", "--dry-run"}, "former size");
  }
  const std::uint64_t shorter = kSize - 512;
  resize(shorter);
  expect_refused(*disk_, {"rollback", path(), "before"}, std::to_string(shorter));
  resize(kSize);
  expect_accepted();
}

// Another backing file under the same name, attached by losetup for the lifetime of this object.
class AttachedAs {
 public:
  AttachedAs(const std::string& device, const std::string& backing) : device_(device) {
    run_program({"losetup", device, backing});
  }
  ~AttachedAs() { EXPECT_NO_THROW(run_program({"losetup", "-d", device_})); }
  AttachedAs(const AttachedAs&) = delete;
  AttachedAs& operator=(const AttachedAs&) = delete;

 private:
  std::string device_;
};

TEST_F(Safety, AnotherDeviceUnderTheSameName) {
  take_and_damage();
  const std::string name = path();
  std::filesystem::copy_file(file("disk.img"), file("other.img"));
  const std::string other = digest_of_file(file("other.img"));
  disk_->detach();
  {
    const AttachedAs attached(name, file("other.img"));
    const std::string store_before = store_digest();
    for (const char* command : {"rollback", "diff"}) {
      const std::string text = ask({command, name, "before"}, 3).dump();
      EXPECT_NE(text.find("this is a different device"), std::string::npos) << text;
      EXPECT_NE(text.find(file("disk.img")), std::string::npos) << text;
    }
    // By its id it is searched for, and not found.
    const std::string id = only_disk().at("disk_id");
    const std::string text = ask({"rollback", id, "before"}, 3).dump();
    EXPECT_NE(text.find(name + " is not the device that was registered"), std::string::npos)
        << text;
    EXPECT_NE(text.find(" disk adopt "), std::string::npos) << text;
    EXPECT_EQ(digest_of_file(file("other.img")), other);
    EXPECT_EQ(store_digest(), store_before);
  }
  // The right one is recognised again, whatever its name is now.
  disk_.emplace(make_disk("disk.img", 0));
  expect_accepted();
}

TEST_F(Safety, TheStoreLivesOnTheDevice) {
  run_program({"mkfs.ext4", "-q", path()});
  take_and_damage();
  const Mount mount(path(), make_directory("mount"), "ext4");
  std::filesystem::copy(store_, mount.path() + "/store", std::filesystem::copy_options::recursive);
  store_ = mount.path() + "/store";
  // Not the device's bytes: a mounted file system writes access times, and its journal.
  const std::string files_before = digest_of_tree(mount.path(), "catalog");
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"rollback", path(), "before"}, {"snapshot", path()}}) {
    const std::string text = ask(line, 3).dump();
    EXPECT_NE(text.find(path()), std::string::npos) << text;
    EXPECT_NE(text.find(" on " + mount.path()), std::string::npos) << text;
  }
  EXPECT_EQ(digest_of_tree(mount.path(), "catalog"), files_before);
}

TEST_F(Safety, TheStoreLivesInTheImageFile) {
  run_program({"mkfs.ext4", "-q", path()});
  const Mount mount(path(), make_directory("mount"), "ext4");
  store_ = mount.path() + "/store";
  ask({"store", "init"});
  const std::string text = ask({"snapshot", file("disk.img")}, 3).dump();
  EXPECT_NE(text.find(file("disk.img") + " is in use"), std::string::npos) << text;
  EXPECT_TRUE(ask({"list"}).at("disks").empty());
}

TEST_F(Safety, AFileOfTheStoreItself) {
  take_and_damage();
  const std::string journal = store_ + "/disks/1/log";
  const std::string before = digest_of_file(journal);
  const std::string text = ask({"snapshot", journal}, 3).dump();
  EXPECT_NE(text.find("store"), std::string::npos) << text;
  EXPECT_EQ(only_disk().value("path", ""), path());
}

TEST_F(Safety, TheImageFileBehindALoopDevice) {
  take_and_damage();
  const std::string image = file("disk.img");
  const std::string text = ask({"snapshot", image}, 3).dump();
  EXPECT_NE(text.find(image + " is in use: backs " + path()), std::string::npos) << text;
  EXPECT_EQ(only_disk().value("path", ""), path());
  expect_accepted();
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
