// Every kind of queue over every kind of file has the same effect as the same requests on an array
// of bytes.
#include "io/queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <system_error>
#include <thread>
#include <tuple>

#include "support/results.h"
#include "unit/io/queue_fixture.h"

namespace blkrewind::io {
namespace {

constexpr std::uint64_t kRegionBytes = 64 * kKiB;
constexpr std::uint64_t kRegions = 48;
constexpr std::uint64_t kSpaceBytes = kRegions * kRegionBytes;

std::vector<std::byte> read_by_other_means(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

class QueueModelTest : public testing::TestWithParam<std::tuple<QueueKind, Place, bool>> {
 protected:
  void SetUp() override {
    if (Playground::needs_root(place()) && !test::have_root_and_loop()) {
      GTEST_SKIP() << "needs root and loop devices";
    }
  }
  static QueueKind kind() { return std::get<0>(GetParam()); }
  static Place place() { return std::get<1>(GetParam()); }
  static bool direct() { return std::get<2>(GetParam()); }
  static bool is_device() { return place() == Place::kLoop512 || place() == Place::kLoop4096; }
};

// Each round has one request in flight in each of many regions of the file; a region is whole
// pages, so no page is written directly and through the cache at once.
class ModelRun {
 public:
  ModelRun(Queue& queue, File& file, bool is_device, std::uint64_t size_bytes, unsigned seed)
      : queue_(queue),
        file_(file),
        is_device_(is_device),
        size_bytes_(size_bytes),
        random_(seed),
        model_(kSpaceBytes) {}

  void round() {
    std::vector<std::uint64_t> regions(kRegions);
    for (std::uint64_t i = 0; i < kRegions; ++i) regions[i] = i;
    std::shuffle(regions.begin(), regions.end(), random_);
    const auto slots = queue_.slots();
    const std::size_t count = std::min(queue_.depth(), slots.size());

    std::vector<Request> requests;
    for (std::size_t i = 0; i < count; ++i) requests.push_back(make(regions[i], slots[i], i));
    ASSERT_TRUE(queue_.submit(requests));
    EXPECT_EQ(queue_.in_flight(), count);
    std::vector<Completion> done;
    while (done.size() < count) {
      const std::size_t before = done.size();
      const auto got = queue_.wait(1 + random_() % count, done);
      ASSERT_TRUE(got) << got.error().to_string();
      ASSERT_GE(*got, 1U);
      ASSERT_EQ(done.size(), before + *got);
    }
    EXPECT_EQ(queue_.in_flight(), 0U);
    std::vector<bool> seen(count);
    for (const Completion& completion : done) {
      ASSERT_LT(completion.user_data, count);
      EXPECT_FALSE(seen[completion.user_data]) << "one request completed twice";
      seen[completion.user_data] = true;
      ASSERT_EQ(completion.error, 0)
          << "operation " << static_cast<int>(requests[completion.user_data].op) << " at "
          << to_string(requests[completion.user_data].extent);
    }
    for (const Request& request : requests) check(request);
  }

  [[nodiscard]] std::vector<std::byte> expected() const {
    return {model_.begin(), model_.begin() + static_cast<std::ptrdiff_t>(size_bytes_)};
  }

 private:
  Extent extent_in(std::uint64_t region) {
    std::uint64_t step = 4096;
    if (random_() % 3 == 0) step = random_() % 2 == 0 ? 512 : 1;
    std::uint64_t from = random_() % kRegionBytes / step * step;
    std::uint64_t to = random_() % kRegionBytes / step * step + step;
    if (from > to) std::swap(from, to);
    if (from == to) to = from + step;
    return {region * kRegionBytes + from, std::min(to, kRegionBytes) - from};
  }

  Request make(std::uint64_t region, const Slot& slot, std::uint64_t number) {
    Request request{Op::kRead, &file_, extent_in(region), slot.data, number};
    // Sometimes the memory is not aligned.
    if (random_() % 8 == 0 && request.extent.length < slot.size_bytes) request.data += 1;
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
      case 3: {
        request.op = Op::kWrite;
        for (std::uint64_t i = 0; i < request.extent.length; ++i) {
          request.data[i] = static_cast<std::byte>(random_());
        }
        std::memcpy(&model_[request.extent.offset], request.data, request.extent.length);
        size_bytes_ = std::max(size_bytes_, request.extent.end());
        break;
      }
      case 4:
      case 5:
        request.op = random_() % 2 == 0 && !is_device_ ? Op::kDiscard : Op::kWriteZeroes;
        request.data = nullptr;
        std::memset(&model_[request.extent.offset], 0, request.extent.length);
        break;
      case 6:
        request = {Op::kFlush, &file_, {}, nullptr, number};
        break;
      default:
        std::memset(slot.data, 0xee, slot.size_bytes);
        break;
    }
    return request;
  }

  void check(const Request& request) {
    if (request.op != Op::kRead) return;
    EXPECT_EQ(std::memcmp(request.data, &model_[request.extent.offset], request.extent.length), 0)
        << "read " << to_string(request.extent) << ", file of " << size_bytes_;
  }

  Queue& queue_;
  File& file_;
  bool is_device_;
  std::uint64_t size_bytes_;
  std::mt19937 random_;
  std::vector<std::byte> model_;
};

TEST_P(QueueModelTest, DoesWhatAnArrayOfBytesDoes) {
  // A file starts shorter than the space that is used, and with an odd length.
  const std::uint64_t size = is_device() ? kSpaceBytes : kSpaceBytes / 2 + 777;
  const Playground playground(place(), size);
  const auto env = env_of(kind());
  const auto queue = queue_of(*env, {.depth = 20, .slots = 20, .slot_bytes = kRegionBytes});
  const auto file =
      open_of(*env, playground.path(), {.access = Access::kReadWrite, .direct = direct()});
  ModelRun run(*queue, *file, is_device(), size, 7);
  for (int i = 0; i < 60 && !HasFatalFailure(); ++i) run.round();
  ASSERT_TRUE(flush_now(*queue, *file));
  EXPECT_EQ(file->size_bytes().value(), run.expected().size());
  EXPECT_TRUE(read_by_other_means(playground.path()) == run.expected());
}

INSTANTIATE_TEST_SUITE_P(All, QueueModelTest,
                         testing::Combine(testing::Values(QueueKind::kUring,
                                                          QueueKind::kSynchronous),
                                          testing::Values(Place::kTmpfs, Place::kExt4,
                                                          Place::kLoop512, Place::kLoop4096),
                                          testing::Bool()),
                         [](const auto& test) {
                           return name_of(std::get<0>(test.param)) +
                                  name_of(std::get<1>(test.param)) +
                                  (std::get<2>(test.param) ? "Direct" : "Buffered");
                         });

class QueueTest : public testing::TestWithParam<QueueKind> {
 protected:
  std::unique_ptr<Env> env_ = env_of(GetParam());
};

// The rings that this process has.
int open_rings() {
  int rings = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone) == "anon_inode:[io_uring]") ++rings;
  }
  return rings;
}

TEST_P(QueueTest, IsOfTheKindAskedFor) {
  const int before = open_rings();
  const auto queue = queue_of(*env_, {});
  const int made = open_rings() - before;
  if (GetParam() == QueueKind::kUring && made == 0) {
    GTEST_SKIP() << "this kernel has no io_uring for us";
  }
  EXPECT_EQ(made, GetParam() == QueueKind::kUring ? 1 : 0);
}

TEST_P(QueueTest, ChangesThreadsIfItWasMadeSo) {
  const test::TempDir directory;
  const auto file =
      open_of(*env_, directory.file("f"), {.access = Access::kReadWrite, .create_new = true});
  const auto queue =
      queue_of(*env_, {.depth = 4, .changes_threads = true, .slots = 1, .slot_bytes = 4096});
  for (int round = 0; round < 20; ++round) {
    std::thread([&] {
      std::byte* const bytes = queue->slots()[0].data;
      std::fill_n(bytes, 4096, static_cast<std::byte>(round));
      EXPECT_TRUE(test::ok(write_now(*queue, *file, {0, 4096}, bytes)));
      bytes[17] = std::byte{0xff};
      EXPECT_TRUE(test::ok(read_now(*queue, *file, {0, 4096}, bytes)));
      EXPECT_EQ(bytes[17], static_cast<std::byte>(round));
    }).join();
  }
}

TEST_P(QueueTest, RefusesMoreThanItsDepthAndTakesNothing) {
  const test::TempDir directory;
  const auto file =
      open_of(*env_, directory.file("f"), {.access = Access::kReadWrite, .create_new = true});
  const auto queue = queue_of(*env_, {.depth = 3});
  const std::vector<std::byte> bytes(100, std::byte{1});
  const std::vector<Request> requests(
      4, {Op::kWrite, file.get(), {0, 100}, const_cast<std::byte*>(bytes.data()), 0});
  const auto status = queue->submit(requests);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kInternal);
  EXPECT_EQ(queue->in_flight(), 0U);
  EXPECT_EQ(file->size_bytes().value(), 0U);
  EXPECT_TRUE(queue->submit(std::span(requests).first(3)));
  EXPECT_FALSE(queue->submit(std::span(requests).first(1)));
  std::vector<Completion> done;
  EXPECT_EQ(queue->wait(99, done).value(), 3U);
}

TEST_P(QueueTest, RefusesOptionsItCannotServe) {
  EXPECT_EQ(env_->make_queue({.depth = 0}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(env_->make_queue({.depth = 1, .slots = 1, .slot_bytes = 1000}).error().code,
            Errc::kInvalidArgument);
  EXPECT_EQ(env_->make_queue({.depth = 100000}).error().code, Errc::kInvalidArgument);
}

TEST_P(QueueTest, SlotsArePageAlignedAndApart) {
  const auto queue = queue_of(*env_, {.depth = 4, .slots = 5, .slot_bytes = 12288});
  ASSERT_EQ(queue->slots().size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    const Slot& slot = queue->slots()[i];
    EXPECT_EQ(slot.index, i);
    EXPECT_EQ(slot.size_bytes, 12288U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slot.data) % 4096, 0U);
    if (i > 0) {
      EXPECT_GE(slot.data, queue->slots()[i - 1].data + 12288);
    }
  }
}

TEST_P(QueueTest, AReadThatSpansTwoSlotsOrLiesOutsideWorks) {
  const test::TempDir directory("/dev/shm");
  test::make_sparse_file(directory.file("f"), kMiB);
  const auto file = open_of(*env_, directory.file("f"));
  const auto queue = queue_of(*env_, {.depth = 4, .slots = 2, .slot_bytes = 8192});
  std::vector<std::byte> written(8192);
  for (std::size_t i = 0; i < written.size(); ++i) written[i] = static_cast<std::byte>(i * 7);
  ASSERT_TRUE(write_now(*queue, *file, {4096, 8192}, written.data()));
  std::byte* across = queue->slots()[0].data + 4096;
  ASSERT_TRUE(read_now(*queue, *file, {4096, 8192}, across));
  EXPECT_EQ(std::memcmp(across, written.data(), 8192), 0);
}

TEST_P(QueueTest, WaitingForNothingReturnsAtOnceAndPollingGetsThere) {
  const test::TempDir directory;
  const auto file =
      open_of(*env_, directory.file("f"), {.access = Access::kReadWrite, .create_new = true});
  const auto queue = queue_of(*env_, {.depth = 2, .slots = 1, .slot_bytes = 4096});
  std::vector<Completion> done;
  EXPECT_EQ(queue->wait(0, done).value(), 0U);
  EXPECT_EQ(queue->wait(5, done).value(), 0U);
  const Request request{Op::kWrite, file.get(), {0, 4096}, queue->slots()[0].data, 42};
  ASSERT_TRUE(queue->submit({&request, 1}));
  while (done.empty()) ASSERT_TRUE(queue->wait(0, done));
  EXPECT_EQ(done[0].user_data, 42U);
  EXPECT_EQ(done[0].error, 0);
}

TEST_P(QueueTest, AQueueThatGoesFinishesItsWritesFirst) {
  const test::TempDir directory;
  const auto file =
      open_of(*env_, directory.file("f"), {.access = Access::kReadWrite, .create_new = true});
  const std::vector<std::byte> ones(kMiB, std::byte{1});
  {
    const auto queue = queue_of(*env_, {.depth = 16});
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < 16; ++i) {
      requests.push_back(
          {Op::kWrite, file.get(), {i * kMiB, kMiB}, const_cast<std::byte*>(ones.data()), i});
    }
    ASSERT_TRUE(queue->submit(requests));
  }
  const auto bytes = read_by_other_means(directory.file("f"));
  ASSERT_EQ(bytes.size(), 16 * kMiB);
  EXPECT_TRUE(
      std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{1}; }));
}

TEST_P(QueueTest, EmptyAndImpossibleExtents) {
  const test::TempDir directory;
  const auto file =
      open_of(*env_, directory.file("f"), {.access = Access::kReadWrite, .create_new = true});
  const auto queue = queue_of(*env_, {.depth = 2});
  std::byte byte{};
  for (const Op op : {Op::kRead, Op::kWrite, Op::kWriteZeroes, Op::kDiscard}) {
    EXPECT_EQ(run_one(*queue, {op, file.get(), {5, 0}, &byte, 0}), 0);
    EXPECT_EQ(run_one(*queue, {op, file.get(), {std::uint64_t{1} << 63, 1}, &byte, 0}), EINVAL);
    EXPECT_EQ(run_one(*queue, {op, file.get(), {1, ~std::uint64_t{0}}, &byte, 0}), EINVAL);
  }
  EXPECT_EQ(run_one(*queue, {Op::kRead, file.get(), {0, 1}, nullptr, 0}), EINVAL);
  EXPECT_EQ(file->size_bytes().value(), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, QueueTest,
                         testing::Values(QueueKind::kUring, QueueKind::kSynchronous),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace blkrewind::io
