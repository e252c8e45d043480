// Snapshots that are open for reading, on a simulated machine.
#include "operations/open_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kReadChunks = 150;  // more than one leaf
constexpr std::uint64_t kReadTail = 512;    // the last chunk is short

// Data and holes of different lengths, across the border of two leaves.
Bytes content_to_read() {
  Bytes content = pattern(kReadChunks * kChunk + kReadTail, 3);
  for (const auto& [first, count] : {std::pair{2, 1}, {5, 40}, {127, 2}, {140, 3}}) {
    std::fill_n(content.begin() + first * std::int64_t{kChunk}, count * std::int64_t{kChunk},
                std::byte{0});
  }
  return content;
}

std::shared_ptr<OpenSnapshot> must_open_snapshot(OperationsBench& bench, SnapshotNumber number) {
  auto opened = bench.operations().open_snapshot(bench.key(number));
  EXPECT_TRUE(ok(opened));
  return opened ? *opened : nullptr;
}

testing::AssertionResult reads_as(const OpenSnapshot& snapshot, const Bytes& content,
                                  const Extent& range) {
  Bytes bytes(range.length, std::byte{0xa5});
  const Status done = snapshot.read(range.offset, bytes);
  if (!done) return ok(done) << " at " << to_string(range);
  const auto from = content.begin() + static_cast<std::ptrdiff_t>(range.offset);
  return same(bytes, Bytes(from, from + static_cast<std::ptrdiff_t>(range.length)))
         << " of " << to_string(range);
}

TEST(OpenSnapshot, ReadsEveryRange) {
  const Bytes content = content_to_read();
  OperationsBench bench(content, kChunk);
  const SnapshotNumber number = bench.must_snapshot();
  bench.write(0, pattern(content.size(), 4));
  const auto snapshot = must_open_snapshot(bench, number);
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(reads_as(*snapshot, content, {0, content.size()}));
  EXPECT_TRUE(reads_as(*snapshot, content, {content.size(), 0}));
  EXPECT_TRUE(reads_as(*snapshot, content, {content.size() - 1, 1}));
  sim::Random random(11);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t offset = random.next() % content.size();
    const std::uint64_t most = random.next() % 2 == 0 ? 2 * kChunk : content.size();
    const std::uint64_t length = random.next() % std::min(most, content.size() - offset);
    ASSERT_TRUE(reads_as(*snapshot, content, {offset, length}));
  }
  Bytes beyond(2);
  EXPECT_TRUE(failed(snapshot->read(content.size() - 1, beyond), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(snapshot->read(~std::uint64_t{0}, beyond), Errc::kInvalidArgument));
}

TEST(OpenSnapshot, ReadsChunksLargerThanASlot) {
  constexpr std::uint32_t kLarge = kMaxChunkBytes;
  const Bytes content = pattern(3 * std::uint64_t{kLarge} + 4096, 5);
  OperationsBench bench(content, kLarge);
  const auto snapshot = must_open_snapshot(bench, bench.must_snapshot());
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(reads_as(*snapshot, content, {0, content.size()}));
  EXPECT_TRUE(reads_as(*snapshot, content, {kLarge - 100, 200}));
  EXPECT_TRUE(reads_as(*snapshot, content, {100, 2 * std::uint64_t{kLarge}}));
}

// Of a damaged store: what is right is handed out, what is not is an error that says where.
TEST(OpenSnapshot, KeepsBadChunksFromEveryReadThatTouchesThem) {
  const Bytes content = content_to_read();
  for (const bool removed : {false, true}) {
    OperationsBench bench(content, kChunk);
    const SnapshotNumber number = bench.must_snapshot();
    for (std::uint64_t chunk = 0; chunk <= kReadChunks; ++chunk) {
      const std::uint64_t length = std::min<std::uint64_t>(kChunk, content.size() - chunk * kChunk);
      const auto [path, offset] = bench.find_stored(content, chunk * kChunk);
      const auto from = content.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
      const bool is_hole = std::all_of(from, from + static_cast<std::ptrdiff_t>(length),
                                       [](std::byte byte) { return byte == std::byte{0}; });
      if (is_hole) continue;
      ASSERT_FALSE(path.empty());
      ASSERT_TRUE(ok(bench.open()));  // with empty caches
      if (removed) {
        bench.env().break_sectors(path, {offset, 512});
      } else {
        ASSERT_TRUE(bench.spoil(content, chunk * kChunk));
      }
      const std::uint64_t mutations = bench.env().mutations();
      const auto snapshot = must_open_snapshot(bench, number);
      ASSERT_TRUE(snapshot);
      const Errc code = removed ? Errc::kIo : Errc::kIntegrity;
      const Extent whole{chunk * kChunk, length};
      Bytes one(1);
      Bytes exact(length);
      Bytes all(content.size());
      for (Bytes* bytes : {&one, &exact, &all}) {
        const Status done = snapshot->read(bytes == &all ? 0 : whole.offset, *bytes);
        ASSERT_TRUE(failed(done, code)) << "chunk " << chunk;
        EXPECT_EQ(done.error().extent, whole);
        EXPECT_THAT(done.error().to_string(), HasSubstr("chunk " + std::to_string(chunk)));
      }
      EXPECT_TRUE(reads_as(*snapshot, content, {0, whole.offset}));
      EXPECT_TRUE(reads_as(*snapshot, content, {whole.end(), content.size() - whole.end()}));
      EXPECT_EQ(bench.env().mutations(), mutations) << "reading wrote to the store";
      bench.env().heal();
      // Back as it was.
      if (!removed) {
        ASSERT_TRUE(snapshot);
        bench.env().poke(path, offset, std::span(content).subspan(chunk * kChunk, length));
      }
      EXPECT_TRUE(reads_as(*snapshot, content, {0, content.size()})) << "an error was kept";
    }
  }
}

TEST(OpenSnapshot, NamesASegmentThatIsGone) {
  const Bytes content = pattern(20 * kChunk, 3);
  OperationsBench bench(content, kChunk);
  const SnapshotNumber number = bench.must_snapshot();
  const std::string path = bench.find_stored(content, 0).first;
  ASSERT_TRUE(ok(bench.open()));
  ASSERT_TRUE(ok(bench.env().remove(path)));
  const auto snapshot = must_open_snapshot(bench, number);
  ASSERT_TRUE(snapshot);
  Bytes bytes(100);
  const Status done = snapshot->read(0, bytes);
  ASSERT_TRUE(failed(done, Errc::kIntegrity));
  EXPECT_THAT(done.error().to_string(), HasSubstr(path));
}

TEST(OpenSnapshot, TellsDataFromZeroes) {
  const Bytes content = content_to_read();
  OperationsBench bench(content, kChunk);
  const auto snapshot = must_open_snapshot(bench, bench.must_snapshot());
  ASSERT_TRUE(snapshot);
  sim::Random random(12);
  for (int round = 0; round < 500; ++round) {
    const std::uint64_t offset = random.next() % content.size();
    const Extent within{offset, random.next() % (content.size() - offset + 1)};
    std::uint64_t at = within.offset;
    std::optional<Extent> before;
    const auto is_zero = [&](std::uint64_t chunk) {
      const auto begin = content.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
      return *begin == std::byte{0};
    };
    ASSERT_TRUE(ok(snapshot->visit_data(within, [&](const Extent& data) {
      EXPECT_FALSE(data.empty());
      EXPECT_LE(data.end(), within.end());
      for (; at < data.offset; at = (at / kChunk + 1) * kChunk) EXPECT_TRUE(is_zero(at / kChunk));
      for (at = data.offset; at < data.end(); at = (at / kChunk + 1) * kChunk) {
        EXPECT_FALSE(is_zero(at / kChunk));
      }
      EXPECT_FALSE(before && before->end() == data.offset) << "neighbours are not merged";
      before = data;
      at = data.end();
      return true;
    })));
    for (; at < within.end(); at = (at / kChunk + 1) * kChunk) ASSERT_TRUE(is_zero(at / kChunk));
  }
  int visited = 0;
  ASSERT_TRUE(ok(snapshot->visit_data({0, content.size()}, [&](const Extent&) {
    ++visited;
    return false;
  })));
  EXPECT_EQ(visited, 1);
}

TEST(OpenSnapshot, TellsWhatHasChangedSince) {
  Bytes content = content_to_read();
  OperationsBench bench(content, kChunk);
  const auto first = must_open_snapshot(bench, bench.must_snapshot());
  put(content, 3 * kChunk + 7, pattern(10, 6));
  put(content, 127 * kChunk, pattern(2 * kChunk, 7));
  put(content, kReadChunks * kChunk, Bytes(kReadTail));
  bench.write(0, content);
  const auto second = must_open_snapshot(bench, bench.must_snapshot());
  ASSERT_TRUE(first && second);
  std::vector<Extent> changes;
  const auto collect = [&](const Extent& change) {
    changes.push_back(change);
    return true;
  };
  const std::vector<Extent> expected = {
      {3 * kChunk, kChunk}, {127 * kChunk, 2 * kChunk}, {kReadChunks * kChunk, kReadTail}};
  ASSERT_TRUE(ok(second->visit_changes(*first, {0, content.size()}, collect)));
  EXPECT_EQ(changes, expected);
  changes.clear();
  ASSERT_TRUE(ok(first->visit_changes(*second, {0, content.size()}, collect)));
  EXPECT_EQ(changes, expected);
  changes.clear();
  ASSERT_TRUE(ok(second->visit_changes(*first, {128 * kChunk + 1, 2 * kChunk}, collect)));
  EXPECT_EQ(changes, (std::vector<Extent>{{128 * kChunk + 1, kChunk - 1}}));
}

class HeldSnapshot : public testing::TestWithParam<sim::HomeType> {};

TEST_P(HeldSnapshot, IsDeletedByNoProcessWhileItIsOpen) {
  const Bytes content = pattern(10 * kChunk, 3);
  OperationsBench bench(content, kChunk, host::DeviceKind::kBlock, GetParam());
  const SnapshotNumber number = bench.must_snapshot();
  auto other = bench.another_process();
  ASSERT_TRUE(ok(other));
  auto snapshot = must_open_snapshot(bench, number);
  auto again = (*other)->open_snapshot(bench.key(number));
  ASSERT_TRUE(ok(again));
  ASSERT_TRUE(failed(bench.remove(number), Errc::kBusy));
  EXPECT_THAT(bench.remove(number).error().to_string(), HasSubstr("is open for reading"));
  EXPECT_TRUE(failed((*other)->remove_snapshot(bench.key(number), {}), Errc::kBusy));
  EXPECT_TRUE(reads_as(*snapshot, content, {0, content.size()}));
  snapshot.reset();
  EXPECT_TRUE(failed(bench.remove(number), Errc::kBusy)) << "the other process reads it";
  EXPECT_TRUE(reads_as(**again, content, {0, content.size()}));
  again->reset();
  EXPECT_TRUE(ok(bench.remove(number)));
  EXPECT_TRUE(failed((*other)->open_snapshot(bench.key(number)), Errc::kNotFound));
}

// The delete ends before the reader holds the snapshot, and after the reader has read the log.
TEST(OpenSnapshot, IsNotOpenedByWhatWasReadBeforeItWasHeld) {
  OperationsBench bench(pattern(10 * kChunk, 3), kChunk);
  const SnapshotNumber number = bench.must_snapshot();
  auto other = bench.another_process();
  ASSERT_TRUE(ok(other));
  bench.env().set_before_try_lock(
      [&] { EXPECT_TRUE(ok((*other)->remove_snapshot(bench.key(number), {}))); });
  const auto opened = bench.operations().open_snapshot(bench.key(number));
  EXPECT_TRUE(failed(opened, Errc::kNotFound));
}

// What else may happen to the disk while one of its snapshots is open.
TEST_P(HeldSnapshot, StaysTheSameUnderOtherOperations) {
  const Bytes content = pattern(10 * kChunk, 3);
  OperationsBench bench(content, kChunk, host::DeviceKind::kBlock, GetParam());
  const SnapshotNumber number = bench.must_snapshot();
  auto reader = bench.another_process();
  ASSERT_TRUE(ok(reader));
  const auto snapshot = (*reader)->open_snapshot(bench.key(number));
  ASSERT_TRUE(ok(snapshot));
  bench.write(0, pattern(5 * kChunk, 8));
  const SnapshotNumber later = bench.must_snapshot();
  ASSERT_TRUE(ok(bench.rollback(number)));
  ASSERT_TRUE(ok(bench.undo()));
  ASSERT_TRUE(ok(bench.remove(later)));
  ASSERT_TRUE(ok(bench.operations().collect({})));
  EXPECT_TRUE(reads_as(**snapshot, content, {0, content.size()}));
}

INSTANTIATE_TEST_SUITE_P(Operations, HeldSnapshot,
                         testing::Values(sim::HomeType::kLocal, sim::HomeType::kMemory,
                                         sim::HomeType::kRemote));

}  // namespace
}  // namespace blkrewind::test
