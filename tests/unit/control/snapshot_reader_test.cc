// Readers of snapshots through the public interface: names, threads, processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/simulated_random.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

class Reading : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    sim::Random random(9);
    content_.resize(kImageBytes);
    for (char& byte : content_) byte = static_cast<char>(random.next());
    // A hole, and a last chunk that is not like the others.
    std::memset(content_.data() + 3 * std::size_t{kDefaultChunkBytes}, 0, kDefaultChunkBytes);
    std::ofstream(image_, std::ios::binary) << content_;
    snapshot_ = take(image_, "before");
    fill(image_, 0, kImageBytes, 'z');
  }

  std::string read(SnapshotReader& reader, std::uint64_t offset, std::size_t length) {
    std::string text(length, '?');
    EXPECT_TRUE(ok(reader.read(offset, std::as_writable_bytes(std::span(text)))));
    return text;
  }

  std::string content_;
  std::string snapshot_;
};

TEST_F(Reading, FindsTheSnapshotAsOtherCallsDo) {
  const std::string other = make_image("other.img", 'b');
  take(other, "before");
  for (const std::string& name : {snapshot_, std::string("before"), std::string("latest")}) {
    auto reader = engine_->open_snapshot(name, image_);
    ASSERT_TRUE(ok(reader)) << name;
    EXPECT_EQ(reader->info().id, snapshot_);
    EXPECT_EQ(reader->info().name, "before");
    EXPECT_EQ(reader->size_bytes(), kImageBytes);
    EXPECT_EQ(reader->chunk_bytes(), kDefaultChunkBytes);
    EXPECT_EQ(read(*reader, 12345, 70000), content_.substr(12345, 70000));
  }
  EXPECT_TRUE(ok(engine_->open_snapshot(snapshot_)));
  EXPECT_FALSE(engine_->open_snapshot("before")) << "two disks have one of that name";
  EXPECT_TRUE(failed(engine_->open_snapshot("none"), Errc::kNotFound));
  EXPECT_TRUE(failed(engine_->open_snapshot("none", image_), Errc::kNotFound));
  EXPECT_FALSE(engine_->open_snapshot(snapshot_, other)) << "it is not a snapshot of that disk";
}

TEST_F(Reading, VisitsEveryRangeOnce) {
  auto reader = engine_->open_snapshot(snapshot_);
  ASSERT_TRUE(ok(reader));
  std::vector<std::pair<Extent, bool>> seen;
  const std::uint64_t chunk = kDefaultChunkBytes;
  ASSERT_TRUE(ok(reader->extents({0, kImageBytes}, [&](Extent extent, bool data) {
    seen.emplace_back(extent, data);
    return true;
  })));
  EXPECT_EQ(seen, (std::vector<std::pair<Extent, bool>>{{{0, 3 * chunk}, true},
                                                        {{3 * chunk, chunk}, false},
                                                        {{4 * chunk, 12 * chunk}, true}}));
  seen.clear();
  ASSERT_TRUE(ok(reader->extents({3 * chunk + 1, 10}, [&](Extent extent, bool data) {
    seen.emplace_back(extent, data);
    return true;
  })));
  EXPECT_EQ(seen, (std::vector<std::pair<Extent, bool>>{{{3 * chunk + 1, 10}, false}}));
  EXPECT_TRUE(failed(reader->extents({1, kImageBytes}, [](Extent, bool) { return true; }),
                     Errc::kInvalidArgument));
  EXPECT_FALSE(reader->extents({0, 1}, [](Extent, bool) -> bool { throw 1; }));
}

TEST_F(Reading, ComparesSnapshots) {
  const std::string later = take(image_, "later");
  auto before = engine_->open_snapshot(snapshot_);
  auto after = engine_->open_snapshot(later);
  ASSERT_TRUE(ok(before));
  ASSERT_TRUE(ok(after));
  std::uint64_t changed = 0;
  ASSERT_TRUE(ok(after->changed_since(*before, {0, kImageBytes}, [&](Extent extent) {
    changed += extent.length;
    return true;
  })));
  EXPECT_EQ(changed, kImageBytes);
  const std::string other = make_image("other.img", 'b');
  auto strange = engine_->open_snapshot(take(other));
  ASSERT_TRUE(ok(strange));
  EXPECT_TRUE(failed(after->changed_since(*strange, {0, 1}, [](Extent) { return true; }),
                     Errc::kInvalidArgument));
}

TEST_F(Reading, ThatWasMovedFromIsAnError) {
  auto reader = engine_->open_snapshot(snapshot_);
  ASSERT_TRUE(ok(reader));
  const SnapshotReader taken = std::move(*reader);
  std::array<std::byte, 1> byte{};
  EXPECT_FALSE(reader->read(0, byte));  // NOLINT(bugprone-use-after-move): that is the test
  EXPECT_EQ(taken.info().id, snapshot_);
}

// With a cache that is too small for all of it, so that chunks come and go.
TEST_F(Reading, GivesEveryThreadTheRightBytes) {
  OpenOptions options;
  options.store = directory_.file("store");
  options.cache_bytes = 4 * std::uint64_t{kDefaultChunkBytes};
  auto engine = Engine::open(options);
  ASSERT_TRUE(ok(engine));
  auto one = engine->open_snapshot(snapshot_);
  auto two = engine->open_snapshot(snapshot_);
  ASSERT_TRUE(ok(one));
  ASSERT_TRUE(ok(two));
  std::atomic<int> wrong = 0;
  const auto work = [&](SnapshotReader& reader, std::uint64_t seed) {
    sim::Random random(seed);
    for (int round = 0; round < 200; ++round) {
      const std::uint64_t offset = random.next() % kImageBytes;
      const std::uint64_t most = random.next() % 4 == 0 ? 300000 : 4096;
      const std::size_t length = std::min(random.next() % most + 1, kImageBytes - offset);
      std::string text(length, '?');
      if (!reader.read(offset, std::as_writable_bytes(std::span(text))) ||
          text != content_.substr(offset, length)) {
        ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    threads.emplace_back([&, seed] { work(seed % 2 == 0 ? *one : *two, seed); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Reading, KeepsTheSnapshotFromOtherProcessesUntilItIsKilled) {
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto engine = open();
    auto reader = engine->open_snapshot(snapshot_);
    if (!reader || write(ready[1], "x", 1) != 1) _exit(1);
    while (true) pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto refused = engine_->remove_snapshot(snapshot_);
  EXPECT_TRUE(failed(refused, Errc::kBusy));
  EXPECT_THAT(refused.error().to_string(), HasSubstr("(process " + std::to_string(child) + ")"));
  EXPECT_FALSE(engine_->forget_disk(image_, true));
  EXPECT_TRUE(ok(engine_->collect()));
  EXPECT_TRUE(ok(engine_->rollback(image_, "before")));
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(ok(engine_->remove_snapshot(snapshot_)));
  for (const int fd : ready) close(fd);
}

}  // namespace
}  // namespace blkrewind::test
