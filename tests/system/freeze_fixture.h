// File systems on loop devices that tests freeze. Nothing stays frozen, however a test ends.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "blkrewind/units.h"
#include "freeze/freeze.h"
#include "freeze/state_file.h"
#include "host/mounts.h"
#include "host/sysfs.h"
#include "support/loop_device.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind::test {

using std::chrono::milliseconds;

inline UniqueFd open_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) throw std::runtime_error("cannot open " + path);
  return fd;
}

// Waits for what must become true; false when it has not for a minute.
template <class True>
[[nodiscard]] bool comes_true(const True& is_true) {
  for (int i = 0; i < 6000; ++i) {
    if (is_true()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

class FrozenFileSystem {
 public:
  FrozenFileSystem(const std::string& backing, const std::string& point, const std::string& type)
      : loop_(LoopDevice::make(backing, 320 * kMiB)), point_(point), type_(type) {
    run_program({"mkfs." + type, "-q", loop_.path()});
    std::filesystem::create_directory(point);
    mount_ = std::make_unique<Mount>(loop_.path(), point, type);
    root_ = open_directory(point);
  }
  ~FrozenFileSystem() {
    if (root_.valid()) ::ioctl(root_.get(), FITHAW, 0);
  }
  FrozenFileSystem(const FrozenFileSystem&) = delete;
  FrozenFileSystem& operator=(const FrozenFileSystem&) = delete;

  [[nodiscard]] const std::string& point() const { return point_; }
  [[nodiscard]] int root() const { return root_.get(); }
  [[nodiscard]] std::string file(const std::string& name) const { return point_ + "/" + name; }
  [[nodiscard]] std::string loop_path() const { return loop_.path(); }

  [[nodiscard]] freeze::Held held() const {
    freeze::Held held;
    held.root = open_directory(point_);
    struct stat status {};
    if (::fstat(held.root.get(), &status) != 0) throw std::runtime_error("fstat");
    held.super.id = type_ == "btrfs" ? mounted_number() : status.st_dev;
    held.super.type = type_;
    held.super.mount_point = point_;
    return held;
  }

  // Changes nothing, unless it is being frozen at this moment.
  [[nodiscard]] bool is_frozen() const {
    if (::ioctl(root_.get(), FIFREEZE, 0) == 0) {
      EXPECT_EQ(::ioctl(root_.get(), FITHAW, 0), 0);
      return false;
    }
    EXPECT_EQ(errno, EBUSY);
    return true;
  }
  void freeze_by_others() const { run_program({"fsfreeze", "-f", point_}); }
  void thaw_by_others() const { run_program({"fsfreeze", "-u", point_}); }

 private:
  // btrfs has another number in mountinfo than its folders have.
  [[nodiscard]] dev_t mounted_number() const {
    const std::string point = std::filesystem::canonical(point_);
    const auto mounts = host::read_mounts().value();
    for (const host::Mount& mount : mounts) {
      if (mount.mount_point == point) return mount.device;
    }
    throw std::runtime_error(point_ + " is not mounted");
  }

  LoopDevice loop_;
  std::string point_;
  std::string type_;
  std::unique_ptr<Mount> mount_;
  UniqueFd root_;
};

// A thread that writes once, and its state in the kernel.
class OneWrite {
 public:
  explicit OneWrite(const std::string& path, int flags = 0)
      : thread_([this, path, flags] {
          tid_ = ::gettid();
          const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600));
          const bool written = fd.valid() && ::write(fd.get(), "x", 1) == 1;
          done_ = written ? 1 : -1;
        }) {}
  ~OneWrite() { thread_.join(); }
  OneWrite(const OneWrite&) = delete;
  OneWrite& operator=(const OneWrite&) = delete;

  [[nodiscard]] bool done() const { return done_ == 1; }
  // Asleep in the kernel where no signal reaches it.
  [[nodiscard]] bool is_held_still() const {
    if (tid_ == 0) return false;
    std::ifstream file("/proc/self/task/" + std::to_string(tid_) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_end = text.rfind(") ");
    return name_end != std::string::npos && text[name_end + 2] == 'D' && done_ == 0;
  }

 private:
  std::atomic<pid_t> tid_ = 0;
  std::atomic<int> done_ = 0;
  std::thread thread_;
};

// An operation in a process of its own, which says how far it is and waits to be told to go on.
class OperationProcess {
 public:
  using Step = std::function<void(const std::string& reached)>;
  // `work` calls step("word") where it is to stop.
  explicit OperationProcess(const std::function<void(const Step& step)>& work) {
    std::array<int, 2> to_us{};
    std::array<int, 2> to_it{};
    if (::pipe2(to_us.data(), O_CLOEXEC) != 0 || ::pipe2(to_it.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("pipe");
    }
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(to_us[0]);
      ::close(to_it[1]);
      work([&](const std::string& reached) {
        const std::string line = reached + "\n";
        static_cast<void>(!::write(to_us[1], line.data(), line.size()));
        char go = 0;
        static_cast<void>(!::read(to_it[0], &go, 1));
      });
      ::_exit(0);
    }
    ::close(to_us[1]);
    ::close(to_it[0]);
    words_ = UniqueFd(to_us[0]);
    orders_ = UniqueFd(to_it[1]);
  }
  ~OperationProcess() {
    if (pid_ > 0) kill_and_wait();
  }
  OperationProcess(const OperationProcess&) = delete;
  OperationProcess& operator=(const OperationProcess&) = delete;

  // The next word that it says; empty when it has ended.
  [[nodiscard]] std::string word() {
    std::string text;
    char c = 0;
    while (::read(words_.get(), &c, 1) == 1 && c != '\n') text += c;
    return text;
  }
  void go_on() const { ASSERT_EQ(::write(orders_.get(), "g", 1), 1); }
  void kill_now() const { ::kill(pid_, SIGKILL); }
  void wait_for_end() {
    int status = 0;
    ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
  }
  void kill_and_wait() {
    kill_now();
    wait_for_end();
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  UniqueFd words_;
  UniqueFd orders_;
};

inline std::string stat_field(pid_t pid, int index) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  text.erase(0, std::min(text.size(), text.rfind(") ") + 2));
  for (; index > 0; --index) text.erase(0, text.find(' ') + 1);
  return text.substr(0, text.find(' '));
}
inline std::string state_of(pid_t pid) { return stat_field(pid, 0); }

// All guards of this machine. One that has ended counts if it is this process that did not wait for
// it: when others are reaped is up to init.
inline std::vector<pid_t> guards() {
  std::vector<pid_t> found;
  for (const std::string& name : host::list_names("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file("/proc/" + name + "/comm");
    std::string comm;
    if (!std::getline(file, comm) || comm != "blkrewind-guard") continue;
    const pid_t pid = std::stoi(name);
    const std::string state = state_of(pid);
    const bool is_ours = stat_field(pid, 1) == std::to_string(::getpid());
    if (!state.empty() && (state != "Z" || is_ours)) found.push_back(pid);
  }
  return found;
}

class FreezeSystem : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_root_and_loop()) GTEST_SKIP() << "needs root and loop devices";
  }
  void TearDown() override {
    for (const pid_t guard : guards()) {
      ADD_FAILURE() << "guard " << guard << " stays";
      ::kill(guard, SIGKILL);
    }
    for (const std::string& name : state_files()) {
      ADD_FAILURE() << name << " stays";
      std::filesystem::remove(std::string(freeze::kStateFolder) + "/" + name);
    }
  }

  [[nodiscard]] std::unique_ptr<FrozenFileSystem> make(const std::string& type,
                                                       const std::string& name) const {
    return std::make_unique<FrozenFileSystem>(directory_.file(name + ".img"), directory_.file(name),
                                              type);
  }

  [[nodiscard]] static std::vector<std::string> state_files() {
    return host::list_names(freeze::kStateFolder);
  }

  template <class... Systems>
  [[nodiscard]] static std::unique_ptr<freeze::Freeze> prepared(milliseconds limit,
                                                                const Systems&... systems) {
    std::vector<freeze::Held> held;
    (held.push_back(systems->held()), ...);
    auto freeze = freeze::prepare(std::move(held), limit);
    if (!freeze) throw std::runtime_error(freeze.error().to_string());
    return std::move(*freeze);
  }

  [[nodiscard]] static pid_t the_guard() {
    const auto found = guards();
    if (found.size() != 1) throw std::runtime_error(std::to_string(found.size()) + " guards");
    return found.front();
  }

  static constexpr milliseconds kLong{600'000};
  // A disk in memory.
  TempDir directory_{std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : ""};
};

}  // namespace blkrewind::test
