// Limits of the process: open files, workers.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <vector>

#include "pipeline/worker_pool.h"
#include "store/segment_files.h"
#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

// Lowers the limit on open files during its lifetime.
class FewFiles {
 public:
  explicit FewFiles(rlim_t count) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit lowered = before_;
    lowered.rlim_cur = count;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
  }
  ~FewFiles() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }
  FewFiles(const FewFiles&) = delete;
  FewFiles& operator=(const FewFiles&) = delete;

 private:
  rlimit before_ = {};
};

TEST(Limits, MoreSegmentsThanFilesMayBeOpen) {
  constexpr std::uint64_t kChunksHere = 100;
  const FewFiles few(64);
  Bytes device(kChunksHere * kChunk);
  OperationsBench bench(device, kChunk);
  SnapshotNumber last = 0;
  for (std::uint64_t i = 0; i < kChunksHere; ++i) {
    put(device, i * kChunk, pattern(kChunk, i + 1));
    bench.write(0, device);
    last = bench.must_snapshot();
  }
  ASSERT_TRUE(ok(bench.open()));
  ASSERT_EQ(bench.view().snapshots.size(), kChunksHere) << "the log is open";
  const std::uint64_t open_before = bench.env().open_files();
  EXPECT_TRUE(bench.all_verify());
  EXPECT_LE(bench.env().open_files() - open_before, store::SegmentFiles::open_max());
  bench.write(0, Bytes(kChunksHere * kChunk, std::byte{7}));
  ASSERT_TRUE(ok(bench.rollback(last)));
  EXPECT_TRUE(same(bench.device(), device));
  EXPECT_TRUE(bench.exports_as(last, device));
  EXPECT_LE(bench.env().open_files() - open_before, store::SegmentFiles::open_max());
}

// Does nothing, immediately.
class IdleWorker {
 public:
  struct Task {
    std::uint64_t sequence = 0;
  };
  struct Result {
    std::uint64_t sequence = 0;
  };
  [[nodiscard]] bool wants_task() const { return true; }
  void add(Task task) { results_.push_back({task.sequence}); }
  [[nodiscard]] bool idle() const { return true; }
  [[nodiscard]] Status step() { return {}; }
  void drain() {}
  [[nodiscard]] std::vector<Result> take_results() { return std::exchange(results_, {}); }

 private:
  std::vector<Result> results_;
};

TEST(Limits, APoolWorksWithTheThreadsItCanGet) {
  for (const int had : {0, 1, 3}) {
    std::atomic<int> made = 0;
    pipeline::WorkerPool<IdleWorker> pool(4, 8, [&]() -> Result<std::unique_ptr<IdleWorker>> {
      if (made++ < had) return std::make_unique<IdleWorker>();
      return fail(system_error(ENOMEM, "cannot map buffers"));
    });
    for (int i = 0; i < 100; ++i) {
      const Status pushed = pool.push({});
      const auto popped = pushed ? pool.pop() : Result<IdleWorker::Result>(fail(pushed.error()));
      if (had == 0) {
        ASSERT_TRUE(failed(popped, Errc::kIo));
        EXPECT_EQ(popped.error().sys_errno, ENOMEM);
        EXPECT_FALSE(words_of(popped.error()).empty());
        break;
      }
      ASSERT_TRUE(ok(popped));
      EXPECT_EQ(popped->sequence, static_cast<std::uint64_t>(i));
    }
  }
}

}  // namespace
}  // namespace blkrewind::test
