// Readers of snapshots through the public interface: names, threads, processes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
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

TEST_F(Reading, ExportsToASinkAndInPart) {
  std::string whole;
  const ImageSink collect = [&](std::span<const std::byte> bytes) -> Status {
    whole.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  auto receipt = engine_->export_stream(snapshot_, collect);
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(whole, content_);
  EXPECT_EQ(receipt->written_bytes + receipt->zero_bytes, kImageBytes);
  EXPECT_FALSE(receipt->root_digest.empty());
  const std::uint64_t chunk = kDefaultChunkBytes;
  int file = 0;
  for (const Extent range :
       {Extent{0, 1}, Extent{2 * chunk + 5, 2 * chunk}, Extent{3 * chunk, chunk},
        Extent{kImageBytes - 7, 7}, Extent{kImageBytes, 0}}) {
    whole.clear();
    receipt = engine_->export_stream(snapshot_, collect, {.range = range});
    ASSERT_TRUE(ok(receipt)) << to_string(range);
    EXPECT_EQ(whole, content_.substr(range.offset, range.length)) << to_string(range);
    EXPECT_EQ(receipt->written_bytes + receipt->zero_bytes, range.length);
    EXPECT_TRUE(receipt->root_digest.empty()) << "it is of all of the snapshot";
    const std::string path = directory_.file("part" + std::to_string(++file));
    ASSERT_TRUE(ok(engine_->export_image(snapshot_, path, {.range = range})));
    EXPECT_EQ(read_file(path), whole) << to_string(range);
  }
  EXPECT_TRUE(failed(engine_->export_stream(snapshot_, collect, {.range = Extent{1, kImageBytes}}),
                     Errc::kInvalidArgument));
  EXPECT_TRUE(failed(
      engine_->export_stream(snapshot_, [](auto) { return Status(fail(Errc::kIo, "enough")); }),
      Errc::kIo));
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  std::string piped;
  std::thread reader([&] {
    std::array<char, 5000> part{};
    for (ssize_t got = 0; (got = ::read(ends[0], part.data(), part.size())) > 0;) {
      piped.append(part.data(), static_cast<std::size_t>(got));
    }
  });
  EXPECT_TRUE(ok(engine_->export_stream(snapshot_, write_to(ends[1]))));
  close(ends[1]);
  reader.join();
  close(ends[0]);
  EXPECT_EQ(piped, content_);
}

// Through a pipe, in pieces of odd lengths.
class Importing : public Reading {
 protected:
  Result<SnapshotReceipt> import_piped(const std::string& bytes,
                                       const ImportOptions& options = {}) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    std::thread writer([&] {
      for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t piece = std::min<std::size_t>(4093, bytes.size() - at);
        const ssize_t written = ::write(ends[1], bytes.data() + at, piece);
        if (written < 0) break;
        at += static_cast<std::size_t>(written);
      }
      close(ends[1]);
    });
    signal(SIGPIPE, SIG_IGN);
    auto receipt = engine_->import_image(image_, "/dev/fd/" + std::to_string(ends[0]), options);
    close(ends[0]);
    writer.join();
    return receipt;
  }
};

TEST_F(Importing, ReadsAPipe) {
  std::string bytes = content_;
  bytes.replace(70000, 4, "WXYZ");
  ImportOptions options;
  options.name = "piped";
  const auto receipt = import_piped(bytes, options);
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->stored_bytes, std::uint64_t{kDefaultChunkBytes})
      << "what the disk's snapshots have is not stored again";
  const std::string path = directory_.file("exported");
  ASSERT_TRUE(ok(engine_->export_image("piped", path)));
  EXPECT_EQ(read_file(path), bytes);
}

TEST_F(Importing, OfAPipeThatStallsCanBeCancelled) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const std::size_t before = engine_->snapshots()->size();
  // Before its first byte, and behind some.
  for (const std::size_t written : {std::size_t{0}, std::size_t{50000}}) {
    std::thread writer([&] {
      EXPECT_EQ(::write(ends[1], content_.data(), written), static_cast<ssize_t>(written));
    });
    std::atomic<bool> cancel = false;
    Monitor monitor;
    monitor.cancel = &cancel;
    std::thread user([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      cancel = true;
    });
    const auto cancelled =
        engine_->import_image(image_, "/dev/fd/" + std::to_string(ends[0]), {}, monitor);
    user.join();
    EXPECT_TRUE(failed(cancelled, Errc::kCancelled));
    EXPECT_EQ(engine_->snapshots()->size(), before);
    std::string rest(written, '\0');
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (::read(ends[0], rest.data(), rest.size()) > 0) {
    }
    writer.join();
    while (written > 0 && ::read(ends[0], rest.data(), rest.size()) > 0) {
    }
    fcntl(ends[0], F_SETFL, 0);
  }
  for (const int fd : ends) close(fd);
}

TEST_F(Importing, RefusesAPipeOfAnotherLengthOrFormat) {
  const std::size_t before = engine_->snapshots()->size();
  const auto shorter = import_piped(content_.substr(0, kImageBytes - 1));
  ASSERT_TRUE(failed(shorter, Errc::kInvalidArgument));
  EXPECT_THAT(shorter.error().to_string(),
              HasSubstr("ends after " + std::to_string(kImageBytes - 1) + " of "));
  const auto longer = import_piped(content_ + "x");
  ASSERT_TRUE(failed(longer, Errc::kInvalidArgument));
  EXPECT_THAT(longer.error().to_string(), HasSubstr("goes on after"));
  EXPECT_TRUE(failed(import_piped(""), Errc::kInvalidArgument));
  std::string foreign = content_;
  foreign.replace(0, 4, "QFI\xfb");
  const auto of_another_format = import_piped(foreign);
  ASSERT_TRUE(failed(of_another_format, Errc::kPrecondition));
  EXPECT_THAT(of_another_format.error().remedy.to_string(),
              HasSubstr("write it to a file and convert that"));
  for (const RemedyStep& step : of_another_format.error().remedy.steps) {
    for (const Argument& argument : step.arguments) {
      EXPECT_THAT(argument.value, testing::Not(HasSubstr("/dev/fd")))
          << "a pipe cannot be converted";
    }
  }
  EXPECT_EQ(engine_->snapshots()->size(), before) << "a trace is left";
  std::size_t accomplished = 0;
  const auto infos = engine_->snapshots();
  ASSERT_TRUE(ok(infos));
  for (const SnapshotInfo& info : *infos) {
    if (info.status == SnapshotStatus::kAccomplished) ++accomplished;
  }
  EXPECT_EQ(accomplished, before);
  ImportOptions raw;
  raw.raw = true;
  EXPECT_TRUE(ok(import_piped(foreign, raw)));
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
