// `clone` onto loop devices and files: bytes, space, what is refused, and SIGKILL at any moment.
#ifdef BLKREWIND_PROGRAM

#include <signal.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kCloneBytes = 96 * kMiB;
constexpr int kAttemptsMax = 30;

class CloneSystem : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    disk_.emplace(make_disk("disk.img", kCloneBytes));
    write_noise(disk_->path(), 0, kCloneBytes, 1);
    snapshot_ = ask({"snapshot", disk_->path(), "--name", "golden"}).value("snapshot_id", "");
    content_ = digest_of_file(disk_->backing());
  }

  [[nodiscard]] std::uint64_t allocated() const {
    return ask({"store", "info"}).value("allocated_bytes", std::uint64_t{0});
  }
  // The disk at that path, as the list shows it; or null.
  [[nodiscard]] json disk_at(const std::string& path) const {
    for (const json& disk : ask({"list"}).value("disks", json::array())) {
      if (disk.value("path", "") == path) return disk;
    }
    return nullptr;
  }

  // The device and the store stay as they are, and the error says what to do.
  void expect_no_clone(const LoopDevice& disk, const std::string& target,
                       const std::string& part) const {
    const std::string device_before = digest_of_file(disk.backing());
    const std::string store_before = store_digest();
    const json error = ask({"clone", "golden", target}, 3);
    EXPECT_NE(error.value("message", "").find(target), std::string::npos) << error;
    EXPECT_NE(error.dump().find(part), std::string::npos) << error;
    EXPECT_TRUE(error.at("hint").is_string()) << error;
    EXPECT_EQ(digest_of_file(disk.backing()), device_before);
    EXPECT_EQ(store_digest(), store_before);
  }

  std::optional<LoopDevice> disk_;
  std::string snapshot_;
  std::string content_;
};

TEST_F(CloneSystem, HoldsTheSameBytesAndTheStoreDoesNotGrow) {
  const std::uint64_t before = allocated();
  const LoopDevice same = make_disk("same.img", kCloneBytes);
  const LoopDevice larger = make_disk("larger.img", 2 * kCloneBytes);
  const json cloned = ask({"clone", "golden", same.path()});
  EXPECT_EQ(cloned.at("origin_snapshot_id"), snapshot_);
  EXPECT_EQ(cloned.at("stored_bytes"), 0);
  EXPECT_EQ(cloned.at("file_created"), false);
  EXPECT_EQ(cloned.at("rollback").at("restored_bytes"), kCloneBytes);
  EXPECT_EQ(digest_of_file(same.backing()), content_);
  ask({"clone", "golden", larger.path(), "--no-undo"});
  EXPECT_EQ(digest_of_file(larger.backing(), 0, kCloneBytes), content_);
  EXPECT_EQ(digest_of_file(larger.backing(), kCloneBytes, kCloneBytes),
            digest_of_file(make_disk("zero.img", kCloneBytes).backing()));
  const json made = ask({"clone", "golden", file("made.img"), "--name", "copy"});
  EXPECT_EQ(made.at("file_created"), true);
  EXPECT_EQ(digest_of_file(file("made.img")), content_);
  // An undo snapshot of zeroes for each of two, and at most some nodes of the larger one.
  EXPECT_LE(allocated(), before + kMiB);
  EXPECT_EQ(disk_at(same.path()).at("origin").at("snapshot_id"), snapshot_);
  EXPECT_TRUE(disk_at(disk_->path()).at("origin").is_null());

  // The clones live on their own.
  write_noise(same.path(), kMiB, kMiB, 2);
  ask({"rollback", same.path(), cloned.value("snapshot_id", "")});
  EXPECT_EQ(digest_of_file(same.backing()), content_);
  EXPECT_EQ(ask({"verify"}).at("damaged"), json::array());

  const json refusal = ask({"delete", "golden"}, 3);
  EXPECT_NE(refusal.value("hint", "").find("disk forget"), std::string::npos) << refusal;
  ask({"disk", "forget", disk_->path(), "--with-snapshots"}, 3);
  EXPECT_EQ(digest_of_file(disk_->backing()), content_);
  for (const std::string& path : {same.path(), larger.path(), file("made.img")}) {
    ask({"disk", "forget", path, "--with-snapshots"});
  }
  ask({"delete", "golden"});
  EXPECT_LT(allocated(), kMiB);
}

TEST_F(CloneSystem, IsRefusedAndLeavesNothing) {
  const LoopDevice small = make_disk("small.img", kCloneBytes / 2);
  const LoopDevice other = make_disk("other.img", kCloneBytes);
  write_noise(other.path(), 0, kMiB, 3);
  expect_no_clone(small, small.path(), "name a device or file");
  expect_no_clone(*disk_, disk_->path(), "the snapshot is its own");
  expect_no_clone(other, store_ + "/clone.img", "outside of the store");
  expect_no_clone(other, "/dev/no-such-device", "attached");
  {
    run_program({"mkfs.ext4", "-q", other.path()});
    const Mount mounted(other.path(), make_directory("mounted"), "ext4");
    expect_no_clone(other, other.path(), "mounted on");
  }
  EXPECT_FALSE(std::filesystem::exists(store_ + "/clone.img"));
  EXPECT_EQ(ask({"list"}).at("disks").size(), 1U);
}

TEST_F(CloneSystem, SeveralOfOneSnapshotAtOnce) {
  constexpr int kClones = 4;
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::vector<std::unique_ptr<CliProcess>> processes;
  const auto path = [&](int clone) { return file("pc" + std::to_string(clone) + ".img"); };
  for (int clone = 0; clone < kClones; ++clone) {
    processes.push_back(std::make_unique<CliProcess>(
        variables_, line_of({"clone", "golden", path(clone)}), null.get(), null.get()));
  }
  for (int clone = 0; clone < kClones; ++clone) {
    EXPECT_EQ(processes[static_cast<std::size_t>(clone)]->wait(), 0) << clone;
    EXPECT_EQ(digest_of_file(path(clone)), content_) << clone;
  }
  EXPECT_EQ(ask({"list"}).at("disks").size(), 1U + kClones);
}

// Such a user may not open the loop devices of root (there is one of the fixture), and need not:
// the kernel says that nothing else has the file open.
TEST_F(CloneSystem, AnOrdinaryUserClonesToFilesBesideLoopDevicesOfRoot) {
  const std::string folder = make_directory("user");
  run_program({"chown", "65534:65534", folder});
  run_program({"chmod", "711", directory_.path()});
  const auto as_user = [&](const std::string& command) {
    run_program(
        {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", command});
  };
  const std::string image = folder + "/a.img";
  const std::string program = BLKREWIND_PROGRAM " --store " + folder + "/store ";
  as_user("head -c 1M /dev/urandom >" + image + "; truncate -s 1M " + folder + "/there.img");
  as_user(program + "snapshot " + image + " --name s1");
  for (const std::string name : {"/made.img", "/there.img"}) {
    as_user(program + "clone s1 " + folder + name);
    EXPECT_EQ(digest_of_file(folder + name), digest_of_file(image)) << name;
  }
}

// Nothing is refused, but its user would look for the clone's history in vain.
TEST_F(CloneSystem, ALoopDeviceOverTheFileOfADiskIsRegisteredWithAWarning) {
  const std::string image = file("made.img");
  const std::string id = ask({"clone", "golden", image}).value("disk_id", "");
  const std::string words = "its file " + image + " is registered as disk " + id;
  const LoopDevice loop = LoopDevice::make(image, 0);
  const auto as_text = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> line = {"--store", store_};
    line.insert(line.end(), arguments.begin(), arguments.end());
    return program_.run_with(variables_, line);
  };
  const CliOutcome first = as_text({"snapshot", loop.path()});
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_NE(first.err.find(words), std::string::npos) << first.err;
  const CliOutcome second = as_text({"snapshot", loop.path()});
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(second.err, "");
  const LoopDevice other = make_disk("other.img", kCloneBytes);
  EXPECT_EQ(as_text({"disk", "register", other.path()}).err, "");
}

// Whatever the moment, the clone is complete, or to be resumed or undone, or the target is as
// before.
TEST_F(CloneSystem, SigkillAtAnyMoment) {
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const LoopDevice target = make_disk("target.img", kCloneBytes);
  std::mt19937 random(20240609);
  int resumed = 0;
  int undone = 0;
  for (int attempt = 0; attempt < kAttemptsMax && (resumed == 0 || undone == 0); ++attempt) {
    write_noise(target.path(), 0, kCloneBytes, 10 + static_cast<std::uint64_t>(attempt));
    const std::string former = digest_of_file(target.backing());
    // Each attempt takes a number, whether it gets as far as a disk or not.
    const std::string log = store_ + "/disks/" + std::to_string(attempt + 2) + "/log";
    const auto log_bytes = [&]() -> std::uint64_t {
      std::error_code ignored;
      const auto size = std::filesystem::file_size(log, ignored);
      return ignored ? 0 : size;
    };
    CliProcess process(variables_, line_of({"clone", "golden", target.path()}), null.get(),
                       null.get());
    int status = -1;
    // One record says what the disk is; the next one is of its rollback.
    bool ended = false;
    while (!ended && log_bytes() < 4 * 4096) ended = process.ended(status);
    if (!ended) {
      usleep(static_cast<unsigned>(random() % 30000));
      process.kill(SIGKILL);
      status = process.wait();
    }

    const json disk = disk_at(target.path());
    if (disk.is_null()) {
      EXPECT_EQ(digest_of_file(target.backing()), former);
      continue;
    }
    ask({"delete", "golden"}, 3);
    if (!disk.at("pending_rollback").is_null()) {
      const bool back = resumed > undone;
      ask({back ? "undo" : "resume", target.path()});
      EXPECT_EQ(digest_of_file(target.backing()), back ? former : content_);
      ++(back ? undone : resumed);
    } else {
      const std::string now = digest_of_file(target.backing());
      EXPECT_EQ(now, disk.at("anchor_snapshot_id").is_null() ? former : content_);
    }
    EXPECT_EQ(ask({"verify"}).at("damaged"), json::array());
    ask({"disk", "forget", disk.value("disk_id", ""), "--with-snapshots"});
  }
  EXPECT_GT(resumed, 0) << "no attempt was interrupted while it wrote";
  EXPECT_GT(undone, 0);
  ask({"store", "gc"});
  ask({"delete", "golden"});
}

}  // namespace
}  // namespace blkrewind::test

#endif
