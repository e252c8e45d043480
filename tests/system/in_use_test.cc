// Snapshots of devices that are in use: file systems that are written to, raw writers, kills.
#ifdef BLKREWIND_PROGRAM

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

// The machine may be busy with other tests.
constexpr const char* kPatient = "30s";

constexpr std::uint64_t kInUseBytes = 320 * kMiB;  // mkfs.xfs wants 300

// Writes numbered records into two files, each of which is durable before the next is begun: the
// second file is never ahead of the first, and never more than one record behind.
class OrderedWriter {
 public:
  explicit OrderedWriter(const std::string& folder)
      : first_(open_new(folder + "/first")), second_(open_new(folder + "/second")), thread_([this] {
          for (std::uint64_t number = 1; !stop_; ++number) {
            put(first_, number);
            put(second_, number);
          }
        }) {}
  ~OrderedWriter() {
    stop_ = true;
    thread_.join();
  }
  OrderedWriter(const OrderedWriter&) = delete;
  OrderedWriter& operator=(const OrderedWriter&) = delete;

  // Of a copy. Empty: it holds.
  static std::string what_is_broken(const std::string& folder) {
    const std::uint64_t first = last_of(folder + "/first");
    const std::uint64_t second = last_of(folder + "/second");
    if (first == second || first == second + 1) return {};
    return std::to_string(first) + " and " + std::to_string(second);
  }

 private:
  static constexpr std::uint64_t kRecords = 256;
  static constexpr std::size_t kRecordBytes = 4096;

  static UniqueFd open_new(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  }
  static void put(const UniqueFd& file, std::uint64_t number) {
    std::vector<std::uint64_t> record(kRecordBytes / sizeof number, number);
    (void)!::pwrite(file.get(), record.data(), kRecordBytes,
                    static_cast<off_t>(number % kRecords * kRecordBytes));
    ::fdatasync(file.get());
  }
  static std::uint64_t last_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<std::uint64_t> record(kRecordBytes / sizeof(std::uint64_t));
    std::uint64_t last = 0;
    while (file.read(reinterpret_cast<char*>(record.data()), kRecordBytes)) {
      for (const std::uint64_t word : record) {
        if (word != record.front()) return UINT64_MAX / 2;  // torn
      }
      last = std::max(last, record.front());
    }
    return last;
  }

  const UniqueFd first_;
  const UniqueFd second_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class InUseDevice : public DeviceSystem {
 protected:
  // False: skip.
  bool make(const std::string& type) {
    try {
      run_program({"sh", "-c", "command -v mkfs." + type});
    } catch (const std::exception&) {
      return false;
    }
    disk_.emplace(make_disk("disk.img", kInUseBytes));
    run_program({"mkfs." + type, "-q", type == "ext4" ? "-F" : "-f", disk_->path()});
    mount_.emplace(disk_->path(), make_directory("mount"), type);
    return true;
  }
  [[nodiscard]] const std::string& path() const { return disk_->path(); }

  std::optional<LoopDevice> disk_;
  std::optional<Mount> mount_;
};

class InUseFileSystem : public InUseDevice, public ::testing::WithParamInterface<const char*> {};

TEST_P(InUseFileSystem, IsCleanAndOfOneInstantInEverySnapshot) {
  const std::string type = GetParam();
  if (!make(type)) GTEST_SKIP() << "needs mkfs." << type;
  std::vector<std::string> names;
  {
    const OrderedWriter writer(mount_->path());
    ask({"snapshot", path(), "--name", "0", "--freeze-limit", kPatient});
    // Where that is possible.
    (void)run({"track", "start", path()});
    for (int i = 1; i <= 5; ++i) {
      const json taken =
          ask({"snapshot", path(), "--name", std::to_string(i), "--freeze-limit", kPatient});
      EXPECT_EQ(taken.value("taken", ""), "frozen") << taken.dump();
      EXPECT_EQ(taken.at("frozen"), json::array({mount_->path()}));
    }
  }
  (void)run({"track", "stop", path()});
  for (int i = 0; i <= 5; ++i) {
    SCOPED_TRACE("snapshot " + std::to_string(i));
    const std::string copy = file("copy.img");
    std::filesystem::remove(copy);
    ask({"export", std::to_string(i), copy});
    const LoopDevice device = LoopDevice::make(copy, 0);
    if (type == "ext4") run_program({"e2fsck", "-f", "-n", device.path()});
    if (type == "btrfs") run_program({"btrfs", "check", "--readonly", device.path()});
    const std::string options = type == "xfs" ? "nouuid" : "";
    if (type == "btrfs") continue;  // a second file system with this UUID cannot be mounted
    const Mount mount(device.path(), make_directory("copy"), type, options);
    EXPECT_EQ(OrderedWriter::what_is_broken(mount.path()), "");
  }
  EXPECT_EQ(ask({"verify"}).at("damaged"), json::array());
}

INSTANTIATE_TEST_SUITE_P(Types, InUseFileSystem, ::testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& type) { return std::string(type.param); });

TEST_F(InUseDevice, WithoutAPauseIsRefusedAndLeavesNothing) {
  disk_.emplace(make_disk("disk.img", 64 * kMiB));
  const UniqueFd fd(::open(path().c_str(), O_RDWR | O_CLOEXEC));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    std::vector<char> bytes(4096);
    for (std::uint64_t i = 0; !stop; ++i) {
      bytes[0] = static_cast<char>(i);
      (void)!::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(i % 64 * 65536));
      ::fdatasync(fd.get());
    }
  });
  ask({"disk", "register", path()});
  // Where other tests keep the writer from running, there is a pause after all.
  CliOutcome outcome;
  std::size_t taken = 0;
  for (int tries = 0; tries < 8; ++tries) {
    outcome = run({"snapshot", path(), "--deadline", "1s"});
    if (outcome.status != 0) break;
    ++taken;
  }
  stop = true;
  writer.join();
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.err.find("written to all the time"), std::string::npos) << outcome.err;
  EXPECT_EQ(only_disk().at("snapshots").size(), taken);
  // It is open for writing still, and nothing is written.
  EXPECT_EQ(ask({"snapshot", path()}).value("taken", ""), "quiet");
}

TEST_F(InUseDevice, HasItsHookCalledWithFreezeAndAlwaysWithThaw) {
  if (!make("ext4")) GTEST_SKIP() << "needs mkfs.ext4";
  const std::string hook = file("hook");
  const std::string said = file("said");
  std::ofstream(hook) << "#!/bin/sh\necho \"$1\" >>" << said << "\ntest ! -e " << file("fail")
                      << " || exit 7\n";
  std::filesystem::permissions(hook, std::filesystem::perms::owner_all);
  const auto words = [&] {
    std::ifstream file(said);
    std::string all;
    for (std::string word; file >> word;) all += word + " ";
    return all;
  };
  EXPECT_EQ(
      ask({"snapshot", path(), "--hook", hook, "--freeze-limit", kPatient}).value("taken", ""),
      "frozen");
  EXPECT_EQ(words(), "freeze thaw ");
  std::ofstream(file("fail")) << "now";
  const json error = ask({"snapshot", path(), "--hook", hook}, 3);
  EXPECT_NE(error.dump().find("status 7"), std::string::npos) << error.dump();
  EXPECT_EQ(words(), "freeze thaw freeze thaw ");
}

// At whatever moment: what is mounted can be written to soon, no half snapshot is there, and the
// next one has everything.
TEST_F(InUseDevice, IsNotLeftFrozenByAKill) {
  if (!make("ext4")) GTEST_SKIP() << "needs mkfs.ext4";
  ask({"snapshot", path()});
  (void)run({"track", "start", path()});  // where that is possible
  ask({"snapshot", path()});
  std::size_t taken = 2;
  for (int i = 0; i < 40; ++i) {
    SCOPED_TRACE("kill " + std::to_string(i));
    write_noise(mount_->path() + "/" + std::to_string(i % 7), 0, 300'000, static_cast<unsigned>(i));
    std::vector<std::string> line = line_of({"snapshot", path(), "--freeze-limit", "500ms"});
    line.insert(line.begin(), BLKREWIND_PROGRAM);
    std::vector<char*> words;
    for (std::string& word : line) words.push_back(word.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t process = 0;
    ASSERT_EQ(::posix_spawn(&process, words[0], &files, nullptr, words.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
    std::this_thread::sleep_for(std::chrono::milliseconds(4 * i));
    ::kill(process, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(process, &status, 0), process);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ++taken;
    // Waits while it is frozen, and for ever if it stays so.
    write_noise(mount_->path() + "/after", 0, 4096, static_cast<unsigned>(i));
  }
  // A kill before its guard stands leaves the file that says what might be frozen.
  const auto left = [] {
    const std::string folder = "/run/blkrewind/frozen";
    return std::filesystem::exists(folder) && !std::filesystem::is_empty(folder);
  };
  ask({"thaw"});
  // The last guard may be about to end.
  for (int looks = 0; left() && looks < 200; ++looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ask({"thaw"});
  }
  EXPECT_FALSE(left());
  ask({"snapshot", path(), "--name", "last", "--freeze-limit", kPatient});
  mount_.reset();
  (void)run({"track", "stop", path()});
  ask({"export", "last", file("copy.img")});
  const LoopDevice copy = LoopDevice::make(file("copy.img"), 0);
  run_program({"e2fsck", "-f", "-n", copy.path()});
  const Mount now(path(), make_directory("now"), "ext4", "ro");
  const Mount then(copy.path(), make_directory("then"), "ext4", "ro");
  EXPECT_EQ(digest_of_tree(then.path()), digest_of_tree(now.path()));
  std::size_t accomplished = 0;
  const json disk = only_disk();
  for (const json& snapshot : disk.at("snapshots")) {
    accomplished += snapshot.value("status", "") == "accomplished" ? 1 : 0;
  }
  EXPECT_GE(accomplished, taken + 1);
  EXPECT_EQ(ask({"verify"}).at("damaged"), json::array());
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
