// The guard: what is killed, and when, and that nothing stays frozen.
#ifdef BLKREWIND_PROGRAM

#include <pty.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>

#include "blkrewind/thaw.h"
#include "system/cli_program.h"
#include "system/freeze_fixture.h"

namespace blkrewind::test {
namespace {

class FreezeGuard : public FreezeSystem {
 protected:
  // Root may not everywhere: it takes CAP_SYS_RESOURCE.
  static bool may_be_spared() {
    const pid_t child = ::fork();
    if (child == 0) {
      const UniqueFd fd(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
      ::_exit(::write(fd.get(), "-1000", 5) == 5 ? 0 : 1);
    }
    int status = 0;
    return ::waitpid(child, &status, 0) == child && status == 0;
  }

  // After this the guard of an operation that was killed has done its work.
  static void expect_guard_ends() {
    EXPECT_TRUE(comes_true([] { return guards().empty(); }));
    EXPECT_TRUE(state_files().empty());
  }
};

TEST_F(FreezeGuard, ThawsWhenTheOperationIsKilledAtAStep) {
  const auto first = make("ext4", "a");
  const auto second = make("xfs", "b");
  const auto third = make("btrfs", "c");
  for (const std::string at : {"prepared", "frozen", "thawed"}) {
    SCOPED_TRACE(at);
    OperationProcess operation([&](const OperationProcess::Step& step) {
      const auto freeze = prepared(kLong, first, second, third);
      step("prepared");
      if (!freeze->freeze()) ::_exit(1);
      step("frozen");
      if (!freeze->thaw()) ::_exit(2);
      step("thawed");
    });
    std::string word = operation.word();
    for (; !word.empty() && word != at; word = operation.word()) operation.go_on();
    ASSERT_EQ(word, at);
    EXPECT_EQ(first->is_frozen(), at == "frozen");
    EXPECT_EQ(third->is_frozen(), at == "frozen");
    operation.kill_and_wait();
    expect_guard_ends();
    EXPECT_FALSE(first->is_frozen());
    EXPECT_FALSE(second->is_frozen());
    EXPECT_FALSE(third->is_frozen());
  }
}

// Wherever in freeze() and thaw() the signal finds it: a round of both takes about as long as the
// longest delay.
TEST_F(FreezeGuard, ThawsWhenTheOperationIsKilledAtAnyMoment) {
  const auto first = make("ext4", "a");
  const auto second = make("xfs", "b");
  for (int round = 0; round < 60; ++round) {
    OperationProcess operation([&](const OperationProcess::Step& step) {
      for (;;) {
        const auto freeze = prepared(kLong, first, second);
        step("prepared");
        if (!freeze->freeze()) ::_exit(1);
        if (!freeze->thaw()) ::_exit(2);
      }
    });
    ASSERT_EQ(operation.word(), "prepared");
    operation.go_on();
    std::this_thread::sleep_for(milliseconds(2 * round));
    operation.kill_and_wait();
    EXPECT_TRUE(comes_true([] { return guards().empty(); }));
    ASSERT_FALSE(first->is_frozen()) << round;
    ASSERT_FALSE(second->is_frozen()) << round;
    // Killed when its file was there and its guard was not yet.
    const auto left = thaw_leftovers();
    ASSERT_TRUE(ok(left));
    for (const ThawedFileSystem& each : left->file_systems) {
      EXPECT_EQ(each.outcome, ThawOutcome::kNotFrozen);
    }
  }
}

// In the second FIFREEZE, which cannot end: the host of that file system is frozen by another
// program, and there is something to write.
TEST_F(FreezeGuard, ThawsAFreezeThatEndsAfterItsProcessWasKilled) {
  const auto free = make("xfs", "free");
  const auto host = make("ext4", "host");
  const FrozenFileSystem slow(host->file("slow.img"), directory_.file("slow"), "ext4");
  run_program({"sync", "-f", slow.point()});
  std::ofstream(slow.file("dirty")) << std::string(8 * kMiB, 'd');
  host->freeze_by_others();
  {
    OperationProcess operation([&](const OperationProcess::Step& step) {
      const auto freeze = prepared(kLong, free, &slow);
      step("prepared");
      static_cast<void>(!freeze->freeze());
    });
    ASSERT_EQ(operation.word(), "prepared");
    operation.go_on();
    {
      std::unique_ptr<OneWrite> write;  // until one is made when the first is frozen
      EXPECT_TRUE(comes_true([&] {
        if (!write || write->done()) write = std::make_unique<OneWrite>(free->file("new"));
        return write->is_held_still() && state_of(operation.pid()) == "D";
      }));
      operation.kill_now();
      EXPECT_EQ(guards().size(), 1U);
      host->thaw_by_others();
    }
    operation.wait_for_end();
  }
  expect_guard_ends();
  EXPECT_FALSE(free->is_frozen());
  EXPECT_FALSE(slow.is_frozen());
  EXPECT_FALSE(host->is_frozen());
}

TEST_F(FreezeGuard, ItsOwnDeathIsNoticed) {
  const auto system = make("ext4", "a");
  {
    const auto freeze = prepared(kLong, system);
    ASSERT_TRUE(ok(freeze->freeze()));
    ::kill(the_guard(), SIGKILL);
    EXPECT_TRUE(comes_true([&] { return !freeze->is_held(); }));
    EXPECT_TRUE(system->is_frozen());
    EXPECT_TRUE(ok(freeze->thaw()));
    EXPECT_FALSE(system->is_frozen());
    EXPECT_TRUE(guards().empty());
  }
  const auto freeze = prepared(kLong, system);
  ::kill(the_guard(), SIGKILL);
  EXPECT_TRUE(comes_true([] { return state_of(guards().front()) == "Z"; }));
  EXPECT_TRUE(failed(freeze->freeze(), Errc::kIo));
  EXPECT_FALSE(system->is_frozen());
}

TEST_F(FreezeGuard, AStoppedGuardDoesNotHoldUpTheThaw) {
  const auto system = make("ext4", "a");
  const auto freeze = prepared(kLong, system);
  ASSERT_TRUE(ok(freeze->freeze()));
  ::kill(the_guard(), SIGSTOP);
  EXPECT_TRUE(ok(freeze->thaw()));
  EXPECT_FALSE(system->is_frozen());
  EXPECT_TRUE(guards().empty());
}

TEST_F(FreezeGuard, AStoppedOperationDoesNotKeepItsLimit) {
  const auto system = make("ext4", "a");
  OperationProcess operation([&](const OperationProcess::Step& step) {
    const auto freeze = prepared(milliseconds(300), system);
    if (!freeze->freeze()) ::_exit(1);
    step("frozen");
  });
  ASSERT_EQ(operation.word(), "frozen");
  ::kill(operation.pid(), SIGSTOP);
  EXPECT_TRUE(comes_true([&] { return !system->is_frozen(); }));
}

TEST_F(FreezeGuard, IsNoChildThatAProgramNotices) {
  const auto system = make("ext4", "a");
  static std::atomic<int> signals;
  signals = 0;
  const auto before = ::signal(SIGCHLD, [](int) { ++signals; });
  {
    const auto freeze = prepared(kLong, system);
    ASSERT_TRUE(ok(freeze->freeze()));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    ASSERT_TRUE(ok(freeze->thaw()));
  }
  EXPECT_EQ(signals, 0);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
  ::signal(SIGCHLD, before);
}

TEST_F(FreezeGuard, HasOnlyTheDescriptorsThatItNeeds) {
  const auto system = make("ext4", "a");
  const std::string path = directory_.file("locked");
  OperationProcess operation([&](const OperationProcess::Step& step) {
    const int locked = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);  // also without O_CLOEXEC
    if (::flock(locked, LOCK_EX) != 0) ::_exit(1);
    // Stopped, so that it is there when the operation is not any more.
    const auto freeze = prepared(kLong, system);
    ::kill(the_guard(), SIGSTOP);
    step("prepared");
  });
  ASSERT_EQ(operation.word(), "prepared");
  const pid_t guard = the_guard();
  EXPECT_TRUE(comes_true([&] { return state_of(guard) == "T"; }));
  // A root, the folder, the file, the socket, the operation.
  EXPECT_EQ(host::list_names("/proc/" + std::to_string(guard) + "/fd").size(), 5U);
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(guard) + "/cwd"), "/");
  EXPECT_EQ(stat_field(guard, 3), std::to_string(guard));  // its session
  std::ifstream adjustment("/proc/" + std::to_string(guard) + "/oom_score_adj");
  int score = 0;
  adjustment >> score;
  EXPECT_EQ(score, may_be_spared() ? -1000 : 0);
  operation.kill_and_wait();
  {
    const UniqueFd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(::flock(again.get(), LOCK_EX | LOCK_NB), 0);
  }
  ::kill(guard, SIGCONT);
  expect_guard_ends();
}

TEST_F(FreezeGuard, OutlivesSignalsAndTheTerminal) {
  const auto system = make("ext4", "a");
  int terminal = -1;
  int other_end = -1;
  ASSERT_EQ(::openpty(&terminal, &other_end, nullptr, nullptr, nullptr), 0);
  OperationProcess operation([&](const OperationProcess::Step& step) {
    ::setsid();
    ::close(terminal);
    if (::ioctl(other_end, TIOCSCTTY, 0) != 0) ::_exit(1);
    const auto freeze = prepared(kLong, system);
    if (!freeze->freeze()) ::_exit(2);
    step("frozen");
  });
  ::close(other_end);
  ASSERT_EQ(operation.word(), "frozen");
  const pid_t guard = the_guard();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGTSTP, SIGALRM}) {
    ::kill(guard, signal);
  }
  EXPECT_TRUE(system->is_frozen());
  ::close(terminal);  // hangs up the session of the operation, which ends
  operation.wait_for_end();
  expect_guard_ends();
  EXPECT_FALSE(system->is_frozen());
}

TEST_F(FreezeGuard, ThawsWhenTheOperationBecomesAnotherProgram) {
  const auto system = make("ext4", "a");
  OperationProcess operation([&](const OperationProcess::Step& step) {
    const auto freeze = prepared(kLong, system);
    if (!freeze->freeze()) ::_exit(1);
    step("frozen");
    ::execlp("sleep", "sleep", "1000", nullptr);
  });
  ASSERT_EQ(operation.word(), "frozen");
  EXPECT_TRUE(system->is_frozen());
  operation.go_on();
  expect_guard_ends();
  EXPECT_FALSE(system->is_frozen());
}

// A child that the operation has forked holds copies of all its descriptors.
TEST_F(FreezeGuard, ThawsAlthoughAChildOfTheOperationLives) {
  const auto system = make("ext4", "a");
  OperationProcess operation([&](const OperationProcess::Step& step) {
    const auto freeze = prepared(kLong, system);
    if (!freeze->freeze()) ::_exit(1);
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) ::pause();
    }
    step(std::to_string(child));
  });
  const std::string child = operation.word();
  ASSERT_FALSE(child.empty());
  operation.kill_and_wait();
  expect_guard_ends();
  EXPECT_FALSE(system->is_frozen());
  EXPECT_EQ(::kill(std::stoi(child), SIGKILL), 0);
}

// A child that ends as a program does must not thaw for its parent.
TEST_F(FreezeGuard, ACopyInAForkedChildThawsNothing) {
  const auto system = make("ext4", "a");
  auto freeze = prepared(kLong, system);
  ASSERT_TRUE(ok(freeze->freeze()));
  const pid_t child = ::fork();
  if (child == 0) {
    freeze.reset();
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(freeze->is_held());
  EXPECT_TRUE(system->is_frozen());
  EXPECT_TRUE(ok(freeze->thaw()));
}

// Kills an operation that has frozen something, and its guard.
void kill_both(OperationProcess& operation) {
  ASSERT_EQ(guards().size(), 1U);
  const pid_t guard = guards().front();
  ::kill(guard, SIGSTOP);
  EXPECT_TRUE(comes_true([&] { return state_of(guard) == "T"; }));
  operation.kill_and_wait();
  ::kill(guard, SIGKILL);
  EXPECT_TRUE(comes_true([] { return guards().empty(); }));
}

TEST_F(FreezeGuard, BothKilledLeavesAFileForThaw) {
  const auto first = make("ext4", "a");
  const auto second = make("btrfs", "b");
  const auto others = make("xfs", "others");
  others->freeze_by_others();
  OperationProcess operation([&](const OperationProcess::Step& step) {
    const auto freeze = prepared(kLong, first, second);
    if (!freeze->freeze()) ::_exit(1);
    step("frozen");
  });
  ASSERT_EQ(operation.word(), "frozen");
  const pid_t pid = operation.pid();
  // It runs: its freeze is its own.
  const auto none = thaw_leftovers();
  ASSERT_TRUE(ok(none));
  EXPECT_TRUE(none->file_systems.empty());
  EXPECT_TRUE(first->is_frozen());
  kill_both(operation);
  EXPECT_TRUE(first->is_frozen());
  EXPECT_TRUE(second->is_frozen());
  const auto thawed = thaw_leftovers();
  ASSERT_TRUE(ok(thawed));
  ASSERT_EQ(thawed->file_systems.size(), 2U);
  EXPECT_EQ(thawed->file_systems[0].mount_point, second->point());
  EXPECT_EQ(thawed->file_systems[0].type, "btrfs");
  EXPECT_EQ(thawed->file_systems[0].pid, pid);
  EXPECT_EQ(thawed->file_systems[0].outcome, ThawOutcome::kThawed);
  EXPECT_EQ(thawed->file_systems[1].outcome, ThawOutcome::kThawed);
  EXPECT_FALSE(first->is_frozen());
  EXPECT_FALSE(second->is_frozen());
  EXPECT_TRUE(others->is_frozen());
  EXPECT_TRUE(thaw_leftovers()->file_systems.empty());
  others->thaw_by_others();
}

TEST_F(FreezeGuard, TheProgramThawsWhatIsLeft) {
  const CliProgram program;
  const auto system = make("ext4", "a");
  EXPECT_EQ(program.run({"thaw"}).out, "no snapshot has left a file system frozen\n");
  for (const bool json : {false, true}) {
    OperationProcess operation([&](const OperationProcess::Step& step) {
      const auto freeze = prepared(kLong, system);
      if (!freeze->freeze()) ::_exit(1);
      step("frozen");
    });
    ASSERT_EQ(operation.word(), "frozen");
    const std::string pid = std::to_string(operation.pid());
    kill_both(operation);
    EXPECT_TRUE(system->is_frozen());
    CliOutcome outcome = json ? program.run({"--json", "thaw"}) : program.run({"thaw"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out,
              json ? R"({"file_systems":[{"path":")" + system->point() +
                         R"(","file_system":"ext4","process":)" + pid +
                         R"(,"outcome":"thawed"}]})" + "\n"
                   : system->point() + " (ext4, frozen by process " + pid + "): thawed\n");
    EXPECT_FALSE(system->is_frozen());
  }
  EXPECT_FALSE(std::filesystem::exists(program.store()));
}

TEST_F(FreezeGuard, WhatIsMountedInAnotherNamespaceIsThawed) {
  const LoopDevice loop = LoopDevice::make(directory_.file("far.img"), 320 * kMiB);
  const std::string point = directory_.file("far");
  std::filesystem::create_directory(point);
  run_program({"mkfs.ext4", "-q", loop.path()});
  OperationProcess keeper([&](const OperationProcess::Step& step) {
    if (::unshare(CLONE_NEWNS) != 0) ::_exit(1);
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(2);
    if (::mount(loop.path().c_str(), point.c_str(), "ext4", 0, nullptr) != 0) ::_exit(3);
    step("mounted");
  });
  ASSERT_EQ(keeper.word(), "mounted");
  const std::string seen = "/proc/" + std::to_string(keeper.pid()) + "/root" + point;
  OperationProcess operation([&](const OperationProcess::Step& step) {
    std::vector<freeze::Held> held(1);
    held[0].root = open_directory(seen);
    struct stat status {};
    if (::fstat(held[0].root.get(), &status) != 0) ::_exit(1);
    held[0].super = {.id = status.st_dev,
                     .type = "ext4",
                     .mount_point = point,
                     .seen_by = keeper.pid(),
                     .devices = {}};
    auto freeze = freeze::prepare(std::move(held), kLong);
    if (!freeze || !(*freeze)->freeze()) ::_exit(2);
    step("frozen");
  });
  ASSERT_EQ(operation.word(), "frozen");
  kill_both(operation);
  const auto thawed = thaw_leftovers();
  const UniqueFd root = open_directory(seen);
  EXPECT_EQ(::ioctl(root.get(), FITHAW, 0), -1);
  ASSERT_TRUE(ok(thawed));
  ASSERT_EQ(thawed->file_systems.size(), 1U);
  EXPECT_EQ(thawed->file_systems[0].outcome, ThawOutcome::kThawed);
}

// The device is used for something else since: that is not what was left frozen.
TEST_F(FreezeGuard, AnotherFileSystemWithTheSameNumberIsLeftAlone) {
  auto system = make("ext4", "a");
  OperationProcess operation([&](const OperationProcess::Step& step) {
    const auto freeze = prepared(kLong, system);
    if (!freeze->freeze()) ::_exit(1);
    step("frozen");
  });
  ASSERT_EQ(operation.word(), "frozen");
  kill_both(operation);
  const std::string loop = system->loop_path();
  system->thaw_by_others();
  system.reset();
  std::filesystem::remove(directory_.file("a.img"));
  std::filesystem::remove(directory_.file("a"));
  system = make("ext4", "a");
  if (system->loop_path() != loop) GTEST_SKIP() << "the loop device was taken";
  system->freeze_by_others();
  const auto thawed = thaw_leftovers();
  EXPECT_TRUE(system->is_frozen());
  system->thaw_by_others();
  ASSERT_TRUE(ok(thawed));
  ASSERT_EQ(thawed->file_systems.size(), 1U);
  EXPECT_EQ(thawed->file_systems[0].outcome, ThawOutcome::kNotMounted);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
