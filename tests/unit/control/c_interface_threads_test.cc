// Cancellation through the C interface, and several threads on one engine.
#include <atomic>
#include <csignal>
#include <thread>

#include "unit/control/c_interface_fixture.h"

namespace blkrewind::test {
namespace {

blkrewind_cancel* cancel_of_signal = nullptr;

class CCancelled : public CInterface {
 protected:
  void SetUp() override {
    CInterface::SetUp();
    ASSERT_TRUE(ok(take("before")));
    fill(image_, 65536, 4096, 'b');
    changed_ = read_file(image_);
    ASSERT_NE(cancel_, nullptr);
  }

  int rollback(const CMonitor& monitor) {
    return blkrewind_rollback(engine_.get(), image_.c_str(), "before", nullptr, monitor.get(),
                              nullptr, error_.out());
  }
  // The scan has ended and the intent was recorded.
  void expect_interrupted(int code) {
    ASSERT_TRUE(failed(code, BLKREWIND_CANCELLED));
    const auto visit = [](void* user, const blkrewind_disk_info* disk,
                          const blkrewind_snapshot_info* const* snapshots, std::size_t /*count*/) {
      EXPECT_STREQ(disk->pending_snapshot_id, snapshots[0]->id);
      EXPECT_STRNE(disk->pending_undo_snapshot_id, "");
      EXPECT_EQ(disk->pending_running, 0U);
      ++*static_cast<int*>(user);
      return 0;
    };
    int disks = 0;
    EXPECT_TRUE(ok(blkrewind_list(engine_.get(), image_.c_str(), visit, &disks, error_.out())));
    EXPECT_EQ(disks, 1);
  }

  CCancel cancel_{blkrewind_cancel_new(), blkrewind_cancel_free};
  std::string changed_;
};

TEST_F(CCancelled, ByTheCallbackAndResumed) {
  const CMonitor monitor([](const blkrewind_progress& progress) {
    EXPECT_EQ(progress.size, sizeof(blkrewind_progress));
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    return ends(progress, "scan") ? 1 : 0;
  });
  expect_interrupted(rollback(monitor));
  Value<blkrewind_rollback_receipt> done;
  ASSERT_TRUE(ok(
      blkrewind_resume(engine_.get(), image_.c_str(), nullptr, nullptr, done.out(), error_.out())));
  EXPECT_EQ(done->ended_interrupted, 1U);
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
}

TEST_F(CCancelled, ByAnotherThreadAndUndone) {
  std::atomic<bool> scanned{false};
  std::atomic<bool> cancelled{false};
  std::thread other([&] {
    scanned.wait(false);
    blkrewind_cancel_set(cancel_.get());
    cancelled = true;
    cancelled.notify_all();
  });
  const CMonitor monitor(
      [&](const blkrewind_progress& progress) {
        if (ends(progress, "scan")) {
          scanned = true;
          scanned.notify_all();
          cancelled.wait(false);
        }
        return 0;
      },
      cancel_.get());
  const int code = rollback(monitor);
  scanned = true;
  scanned.notify_all();
  other.join();
  expect_interrupted(code);
  ASSERT_TRUE(
      ok(blkrewind_undo(engine_.get(), image_.c_str(), nullptr, nullptr, nullptr, error_.out())));
  EXPECT_EQ(read_file(image_), changed_);
}

TEST_F(CCancelled, ByASignalHandler) {
  cancel_of_signal = cancel_.get();
  const auto former = std::signal(SIGUSR1, [](int) { blkrewind_cancel_set(cancel_of_signal); });
  const CMonitor monitor(
      [](const blkrewind_progress& progress) {
        if (ends(progress, "scan")) std::raise(SIGUSR1);
        return 0;
      },
      cancel_.get());
  const int code = rollback(monitor);
  std::signal(SIGUSR1, former);
  expect_interrupted(code);
}

TEST_F(CCancelled, UntilItIsReset) {
  int reports = 0;
  const CMonitor monitor(
      [&](const blkrewind_progress& progress) {
        ++reports;
        return ends(progress, "scan") ? 1 : 0;
      },
      cancel_.get());
  blkrewind_cancel_set(cancel_.get());
  EXPECT_TRUE(failed(rollback(monitor), BLKREWIND_CANCELLED));
  EXPECT_EQ(reports, 0) << "it was cancelled before";
  blkrewind_cancel_reset(cancel_.get());
  expect_interrupted(rollback(monitor));
  EXPECT_GT(reports, 0);
  EXPECT_TRUE(failed(blkrewind_resume(engine_.get(), image_.c_str(), nullptr, monitor.get(),
                                      nullptr, error_.out()),
                     BLKREWIND_CANCELLED))
      << "the callback has set it";
}

TEST_F(CInterface, ACancelledSnapshotLeavesNoTrace) {
  ASSERT_TRUE(ok(take("one")));
  const CCancel cancel(blkrewind_cancel_new(), blkrewind_cancel_free);
  blkrewind_cancel_set(cancel.get());
  blkrewind_monitor cancelled = BLKREWIND_INIT(blkrewind_monitor);
  cancelled.cancel = cancel.get();
  EXPECT_TRUE(failed(
      blkrewind_snapshot(engine_.get(), image_.c_str(), nullptr, &cancelled, nullptr, error_.out()),
      BLKREWIND_CANCELLED));
  EXPECT_THAT(listed(), testing::ElementsAre(image_, "one"));
}

TEST_F(CInterface, SeveralThreadsUseOneEngine) {
  constexpr int kThreads = 4;
  std::vector<std::string> images;
  for (int i = 0; i < kThreads; ++i) {
    images.push_back(make_image("disk" + std::to_string(i), static_cast<char>('a' + i)));
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const std::string before = read_file(images[i]);
      CError error;
      for (int round = 0; round < 3; ++round) {
        const std::string name = "n" + std::to_string(i) + "-" + std::to_string(round);
        blkrewind_snapshot_options options = BLKREWIND_INIT(blkrewind_snapshot_options);
        options.name = name.c_str();
        EXPECT_TRUE(code_is(BLKREWIND_OK,
                            blkrewind_snapshot(engine_.get(), images[i].c_str(), &options, nullptr,
                                               nullptr, error.out()),
                            error));
        fill(images[i], 4096U * static_cast<unsigned>(round), 100, 'z');
        EXPECT_TRUE(code_is(BLKREWIND_OK,
                            blkrewind_rollback(engine_.get(), images[i].c_str(), name.c_str(),
                                               nullptr, nullptr, nullptr, error.out()),
                            error));
        EXPECT_EQ(read_file(images[i]), before);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(listed().size(), std::size_t{kThreads * (1 + 3 + 3)}) << "disks, snapshots, undo";
}

}  // namespace
}  // namespace blkrewind::test
