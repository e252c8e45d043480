// SIGINT and SIGKILL at any moment, and two concurrent processes.
//
// A signal is sent when a file of the store shows that the operation has reached a certain point.
// The operation may end before the signal arrives, so a test retries until one was interrupted, and
// checks the promises for both endings.
#ifdef BLKREWIND_PROGRAM

#include <signal.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kImageBytes = 128 * kMiB;
constexpr int kTriesMax = 30;
const std::string kInProgress =
    "The operation cannot be performed because the disk has an ongoing reset task, please try "
    "again later.";

class Interruptions : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    disk_.emplace(make_disk("disk.img", kImageBytes));
    path_ = disk_->path();
    null_ = UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(null_.valid());
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string content() const { return digest_of_file(disk_->backing()); }

  [[nodiscard]] std::unique_ptr<CliProcess> start(const std::vector<std::string>& arguments) const {
    return std::make_unique<CliProcess>(variables_, line_of(arguments), null_.get(), null_.get());
  }

  // Waits for that point; false if the program ended before. `status` is its exit status then.
  static bool wait_for(CliProcess& process, const std::function<bool()>& there, int& status) {
    while (!there()) {
      if (process.ended(status)) return false;
    }
    return true;
  }

  [[nodiscard]] std::uint64_t journal_bytes() const {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(store_ + "/disks/1/log", ignored);
    return ignored ? 0 : size;
  }

  [[nodiscard]] std::size_t segment_files() const {
    std::size_t count = 0;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(store_ + "/disks/1/segments", ignored)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  // "before" is on the device, then "after"; a rollback has to restore everything.
  void take_and_change_all() {
    write_noise(path(), 0, kImageBytes, 1);
    before_ = content();
    ask({"snapshot", path(), "--name", "before"});
    write_noise(path(), 0, kImageBytes, 2);
    after_ = content();
  }

  // Starts a rollback and sends `signal` `delay` microseconds after its intent is in the journal.
  // Returns how it ended.
  int interrupt_rollback(int signal, unsigned delay, bool undo = true) const {
    std::vector<std::string> line = {"rollback", path(), "before"};
    if (!undo) line.push_back("--no-undo");
    const std::uint64_t journal = journal_bytes();
    const auto process = start(line);
    int status = -1;
    if (!wait_for(
            *process, [&] { return journal_bytes() != journal; }, status))
      return status;
    usleep(delay);
    process->kill(signal);
    return process->wait();
  }

  [[nodiscard]] bool is_pending() const {
    const json disk = only_disk();
    return disk.contains("pending_rollback") && !disk.at("pending_rollback").is_null();
  }

  // By path or by id.
  [[nodiscard]] bool names_the_disk(const std::string& hint, const std::string& command) const {
    return hint.find(command + path()) != std::string::npos ||
           hint.find(command + only_disk().value("disk_id", "?")) != std::string::npos;
  }

  // All operations that would make the interrupted rollback worse.
  void expect_others_refused() const {
    const std::string seen = content();
    for (const std::vector<std::string>& line :
         {std::vector<std::string>{"rollback", path(), "before"},
          {"rollback", path(), "before", "--dry-run"},
          {"snapshot", path()},
          {"import", path(), disk_->backing()},
          {"delete", "before"},
          {"disk", "forget", path(), "--with-snapshots"}}) {
      const json error = ask(line, 3);
      EXPECT_EQ(error.value("message", ""), kInProgress) << line[0];
      EXPECT_EQ(error.value("code", ""), "InvalidOperation.DiskResetInProgress") << line[0];
      const std::string hint = error.value("hint", "");
      EXPECT_TRUE(names_the_disk(hint, " resume ")) << hint;
      EXPECT_TRUE(names_the_disk(hint, " undo ")) << hint;
    }
    EXPECT_EQ(ask({"disk", "detach", path()}, 3).value("code", ""), "IncorrectDiskStatus");
    EXPECT_EQ(content(), seen);
  }

  void kill_rollbacks_at_any_moment(std::mt19937::result_type seed) {
    take_and_change_all();
    std::mt19937 random(seed);
    int met = 0;
    for (int attempt = 0; attempt < 20 || (met == 0 && attempt < 2 * kTriesMax); ++attempt) {
      SCOPED_TRACE("attempt " + std::to_string(attempt));
      // Every other one from the start, so also before there is an intent.
      int status = -1;
      if (attempt % 4 == 3) {
        const auto process = start({"rollback", path(), "before"});
        usleep(static_cast<unsigned>(random() % 100000));
        process->kill(SIGKILL);
        status = process->wait();
      } else {
        status = interrupt_rollback(SIGKILL, static_cast<unsigned>(random() % 30000));
      }
      ASSERT_TRUE(status == 0 || status == 1000 + SIGKILL) << status;
      if (!is_pending()) {
        const std::string now = content();
        ASSERT_TRUE(now == before_ || (now == after_ && status != 0)) << "neither before nor after";
        if (now == before_) ask({"undo", path()});
      } else {
        if (met == 0) expect_others_refused();
        if (met % 2 == 0) {
          ask({"resume", path()});
          ASSERT_EQ(content(), before_);
        }
        ++met;
        ask({"undo", path()});
      }
      ASSERT_EQ(content(), after_);
      // The undo snapshots of the attempts would fill the memory that holds this disk.
      const json snapshots = only_disk().at("snapshots");
      for (const json& one : snapshots) {
        if (one.at("kind") == "undo") ask({"delete", one.at("snapshot_id")});
      }
    }
    EXPECT_GT(met, 0);
    EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
  }

  std::optional<LoopDevice> disk_;
  std::string path_;  // of the device, or of the image file itself
  UniqueFd null_;
  std::string before_;
  std::string after_;
};

TEST_F(Interruptions, SigintDuringTheFirstSnapshotLeavesNothing) {
  write_noise(path(), 0, kImageBytes, 1);
  const std::string before = content();
  ask({"store", "init"});
  const json empty = ask({"store", "info"});
  bool met = false;
  for (int attempt = 0; attempt < kTriesMax && !met; ++attempt) {
    const auto process = start({"snapshot", path()});
    int status = -1;
    if (wait_for(
            *process, [&] { return segment_files() > 0; }, status)) {
      process->kill(SIGINT);
      status = process->wait();
    }
    EXPECT_EQ(content(), before);
    if (status == 0) {
      ask({"disk", "forget", path(), "--with-snapshots"});
      continue;
    }
    met = true;
    EXPECT_EQ(status, 130);
    EXPECT_TRUE(ask({"list"}).at("disks").empty());
    EXPECT_EQ(ask({"store", "info"}).at("live_bytes"), empty.at("live_bytes"));
    EXPECT_EQ(segment_files(), 0U);
  }
  EXPECT_TRUE(met);
  ask({"snapshot", path()});
}

TEST_F(Interruptions, SigkillDuringASnapshotIsClearedByTheNextOne) {
  write_noise(path(), 0, kImageBytes, 1);
  ask({"snapshot", path(), "--name", "before"});
  const std::size_t segments = segment_files();
  bool met = false;
  for (int attempt = 0; attempt < kTriesMax && !met; ++attempt) {
    write_noise(path(), 0, kImageBytes, 100 + static_cast<std::uint64_t>(attempt));
    const auto process = start({"snapshot", path(), "--name", "cut"});
    int status = -1;
    if (wait_for(
            *process, [&] { return segment_files() > segments; }, status)) {
      process->kill(SIGKILL);
      status = process->wait();
    }
    if (status == 0) {
      ask({"delete", "cut"});
      continue;
    }
    met = true;
    EXPECT_EQ(status, 1000 + SIGKILL);
    bool listed_as_failed = true;
    const json snapshots = only_disk().at("snapshots");
    for (const json& one : snapshots) {
      if (one.at("name") == "cut") listed_as_failed = one.at("status") == "failed";
    }
    EXPECT_TRUE(listed_as_failed) << "no process takes it any more";
    EXPECT_EQ(ask({"rollback", path(), "cut"}, 3).value("code", ""), "InvalidSnapshotId.NotReady");
    ask({"store", "gc"});
    EXPECT_EQ(segment_files(), segments);
    ask({"snapshot", path(), "--name", "cut"});  // the name can be used again
  }
  EXPECT_TRUE(met);
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
}

TEST_F(Interruptions, SigintDuringARollbackIsResumedAndUndone) {
  take_and_change_all();
  int met = 0;
  for (int attempt = 0; attempt < kTriesMax && met < 2; ++attempt) {
    const int status = interrupt_rollback(SIGINT, 0);
    if (status == 0) {
      EXPECT_FALSE(is_pending());
      EXPECT_EQ(content(), before_);
      ask({"undo", path()});
      continue;
    }
    ASSERT_EQ(status, 130);
    ASSERT_TRUE(is_pending());
    expect_others_refused();
    ++met;
    if (met == 1) {
      ask({"resume", path()});
      EXPECT_EQ(content(), before_);
    }
    ask({"undo", path()});
    EXPECT_EQ(content(), after_);
    EXPECT_FALSE(is_pending());
  }
  EXPECT_EQ(met, 2);
}

TEST_F(Interruptions, SigkillDuringARollbackAtAnyMoment) {
  ASSERT_NO_FATAL_FAILURE(kill_rollbacks_at_any_moment(20240607));
}

// The kernel does not prevent others from opening a file: a write of the killed process must not
// complete after the next one has started.
TEST_F(Interruptions, SigkillDuringARollbackOfAnImageFile) {
  disk_->detach();
  path_ = disk_->backing();
  ASSERT_NO_FATAL_FAILURE(kill_rollbacks_at_any_moment(20240608));
}

TEST_F(Interruptions, WithoutUndoOnlyForwards) {
  take_and_change_all();
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    const int status = interrupt_rollback(SIGKILL, 0, false);
    if (is_pending()) break;
    ASSERT_EQ(status, 0);
    write_noise(path(), 0, kImageBytes, 2);
  }
  ASSERT_TRUE(is_pending());
  const json error = ask({"undo", path()}, 3);
  EXPECT_NE(error.value("hint", "").find("blkrewind --store " + store_ + " resume " + path()),
            std::string::npos);
  ask({"resume", path()});
  EXPECT_EQ(content(), before_);
  ask({"undo", path()}, 3);
}

// One that works on the first disk and was stopped (SIGSTOP) in the middle.
class SeveralProcesses : public Interruptions {
 protected:
  void stop_in_the_middle(const std::function<std::unique_ptr<CliProcess>()>& begin) {
    for (int attempt = 0; attempt < kTriesMax; ++attempt) {
      const std::size_t segments = segment_files();
      worker_ = begin();
      int status = -1;
      if (!wait_for(
              *worker_, [&] { return segment_files() > segments; }, status))
        continue;
      worker_->kill(SIGSTOP);
      // It holds the disk's lock from its first segment to its end, which identifies it.
      if (!worker_->ended(status) && run({"snapshot", path(), "--name", "probe"}).status == 6) {
        return;
      }
      worker_->kill(SIGCONT);
      static_cast<void>(run({"delete", "probe"}));
    }
    FAIL() << "it was always done before it could be stopped";
  }

  std::unique_ptr<CliProcess> worker_;
};

TEST_F(SeveralProcesses, OneDiskIsBusyAndAnotherIsNot) {
  write_noise(path(), 0, kImageBytes, 1);
  ask({"snapshot", path(), "--name", "before"});
  std::uint64_t seed = 10;
  ASSERT_NO_FATAL_FAILURE(stop_in_the_middle([&] {
    write_noise(path(), 0, kImageBytes, ++seed);
    return start({"snapshot", path()});
  }));
  const std::string now = content();
  for (const std::vector<std::string>& line : {std::vector<std::string>{"snapshot", path()},
                                               {"disk", "forget", path(), "--with-snapshots"}}) {
    const json error = ask(line, 6);
    EXPECT_NE(error.dump().find("another operation"), std::string::npos) << error.dump();
    EXPECT_TRUE(error.at("hint").is_string());
  }
  const json refused = ask({"rollback", path(), "before"}, 3);
  EXPECT_EQ(refused.value("code", ""), "IncorrectDiskStatus.HasUnfinishedSnapshot");
  EXPECT_EQ(content(), now);
  ask({"list"});
  ask({"verify", "before"});

  const LoopDevice other = make_disk("other.img", 32 * kMiB);
  write_noise(other.path(), 0, 8 * kMiB, 3);
  const std::string other_before = digest_of_file(other.backing());
  ask({"snapshot", other.path(), "--name", "other"});
  write_noise(other.path(), 4 * kMiB, 8 * kMiB, 4);
  ask({"rollback", other.path(), "other"});
  EXPECT_EQ(digest_of_file(other.backing()), other_before);

  worker_->kill(SIGCONT);
  EXPECT_EQ(worker_->wait(), 0) << "the other disk's operations took nothing from this one";
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
}

TEST_F(SeveralProcesses, ARollbackIsBusyUntilItsIntentAndInProgressAfterIt) {
  take_and_change_all();
  ASSERT_NO_FATAL_FAILURE(stop_in_the_middle([&] {
    return start({"rollback", path(), "before"});
  }));
  const int status = run({"rollback", path(), "before"}).status;
  EXPECT_TRUE(status == 6 || status == 3) << status;
  EXPECT_EQ(run({"undo", path()}).status, 6);
  EXPECT_EQ(run({"resume", path()}).status, 6);
  worker_->kill(SIGCONT);
  EXPECT_EQ(worker_->wait(), 0);
  EXPECT_EQ(content(), before_);
}

TEST_F(SeveralProcesses, FirstSnapshotsOfOneImageRegisterItOnce) {
  const std::string image = file("shared.img");
  write_noise(image, 0, 4 * kMiB, 1);
  for (int attempt = 0; attempt < 10; ++attempt) {
    store_ = file("store" + std::to_string(attempt));
    ask({"store", "init"});
    std::vector<std::unique_ptr<CliProcess>> processes;
    for (int i = 0; i < 3; ++i) processes.push_back(start({"snapshot", image}));
    int done = 0;
    for (const auto& process : processes) {
      const int status = process->wait();
      EXPECT_TRUE(status == 0 || status == 6) << status;
      done += status == 0 ? 1 : 0;
    }
    EXPECT_GE(done, 1);
    EXPECT_EQ(only_disk().at("snapshots").size(), static_cast<std::size_t>(done));
  }
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
