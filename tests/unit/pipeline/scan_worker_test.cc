#include "pipeline/scan_worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "support/simulated_env.h"
#include "unit/format/samples.h"
#include "unit/pipeline/worker_runs.h"

namespace blkrewind::pipeline {
namespace {

using format::Entries;
using format::Entry;
using format::EntryState;
using format::random_bytes;

// Room in one file, block after block.
class OneFile {
 public:
  explicit OneFile(io::File& file) : file_(file) {}
  Result<format::Placement> reserve(std::uint64_t length_bytes) {
    if (full) return fail(Errc::kNoSpace, "the store is full");
    const format::Placement placement{&file_, 7, next_};
    next_ += static_cast<std::uint32_t>(align_up(length_bytes, format::kBlockBytes) /
                                        format::kBlockBytes);
    return placement;
  }
  bool full = false;

 private:
  io::File& file_;
  std::uint32_t next_ = 1;
};

class ScanWorkerTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kChunks = 140;
  const format::Geometry geometry_{kChunks * 4096 - 1000, 4096};  // the last one is short
  const DigestSecret secret_ = format::test_secret(1);

  void SetUp() override {
    env_.add_device("/dev/sim", geometry_.device_bytes, host::DeviceKind::kBlock);
    env_.add_device("/segment", 0);
    device_ = open_file(env_, "/dev/sim", io::Access::kReadOnly);
    segment_ = open_file(env_, "/segment", io::Access::kReadWrite);
    space_ = std::make_unique<OneFile>(*segment_);
  }
  std::unique_ptr<ScanWorker> worker(bool capture,
                                     io::QueueOptions options = {
                                         .depth = 8, .slots = 3, .slot_bytes = 32768}) {
    auto queue = env_.make_queue(options);
    if (!queue) throw std::runtime_error(queue.error().to_string());
    ScanSettings settings{device_.get(), geometry_, &secret_};
    if (capture)
      settings.reserve = [this](std::uint64_t length) { return space_->reserve(length); };
    return std::make_unique<ScanWorker>(std::move(*queue), settings);
  }
  void write(std::uint64_t chunk, std::uint64_t seed) {
    const Extent extent = geometry_.chunk_extent(chunk);
    env_.poke("/dev/sim", extent.offset, random_bytes(extent.length, seed));
  }
  Digest digest(std::uint64_t chunk, std::uint64_t seed) const {
    return digest_of(secret_, random_bytes(geometry_.chunk_extent(chunk).length, seed),
                     DigestDomain::kChunk, 0, chunk);
  }
  Entry stored(std::uint64_t chunk, std::uint64_t seed, std::uint32_t segment) const {
    return {EntryState::kStored,
            format::Codec::kNone,
            segment,
            static_cast<std::uint32_t>(chunk + 1),
            static_cast<std::uint32_t>(geometry_.chunk_extent(chunk).length),
            digest(chunk, seed)};
  }
  static ScanTask task(std::uint64_t leaf, ChunkSet read, std::vector<Entries> references = {{}},
                       ChunkSet zero = {}) {
    return {leaf + 100, {.leaf = leaf, .read = read, .zero = zero}, std::move(references)};
  }
  // All chunks of the leaf that the device has.
  ChunkSet whole(std::uint64_t leaf) const {
    ChunkSet set;
    for (std::uint64_t i = 0; i < format::kFanout; ++i) {
      if (leaf * format::kFanout + i < kChunks) set.set(i);
    }
    return set;
  }

  sim::SimulatedEnv env_;
  std::unique_ptr<io::File> device_;
  std::unique_ptr<io::File> segment_;
  std::unique_ptr<OneFile> space_;
};

TEST_F(ScanWorkerTest, DigestsEveryChunkAndCapturesWhatIsNew) {
  for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) {
    if (chunk % 5 != 0) write(chunk, chunk + 1);
  }
  const auto scanner = worker(true);
  const auto results = run(*scanner, {task(0, whole(0)), task(1, whole(1))});
  ASSERT_EQ(results.size(), 2U);
  std::uint64_t scanned = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t expected = 0;
  for (const auto& [sequence, result] : results) {
    EXPECT_EQ(sequence, result.leaf + 100);
    scanned += result.scanned_bytes;
    stored_bytes += result.stored_bytes;
    EXPECT_EQ(result.reference, Entries{});
    for (std::uint64_t i = 0; i < format::kFanout; ++i) {
      const std::uint64_t chunk = result.leaf * format::kFanout + i;
      const Entry& entry = result.entries[i];
      if (chunk >= kChunks || chunk % 5 == 0) {
        EXPECT_EQ(entry, Entry{}) << chunk;
        continue;
      }
      EXPECT_EQ(entry.state, EntryState::kStored) << chunk;
      EXPECT_EQ(entry.digest, digest(chunk, chunk + 1)) << chunk;
      EXPECT_EQ(entry.length_bytes, geometry_.chunk_extent(chunk).length);
      expected += entry.length_bytes;
      EXPECT_EQ(entry.segment, 7U);
      EXPECT_EQ(env_.contents("/segment", {entry.offset_bytes(), entry.length_bytes}),
                random_bytes(entry.length_bytes, chunk + 1))
          << chunk;
    }
  }
  EXPECT_EQ(scanned, geometry_.device_bytes);
  EXPECT_EQ(stored_bytes, expected);
}

// Memory that held other chunks does not get into the store behind a short one.
TEST_F(ScanWorkerTest, TheBlockOfAShortChunkIsFilledWithZeroes) {
  for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) write(chunk, chunk + 1);
  const auto scanner = worker(true, {.depth = 8, .slots = 1, .slot_bytes = 4096});
  const auto results = run(*scanner, {task(0, whole(0)), task(1, whole(1))});
  const Entry& last = results.at(101).entries[kChunks - 1 - format::kFanout];
  ASSERT_EQ(last.length_bytes, 3096U);
  const auto block = env_.contents("/segment", {last.offset_bytes(), 4096});
  EXPECT_TRUE(is_all_zero(std::span(block).subspan(3096)));
  EXPECT_EQ(env_.unaligned_requests(), 1U) << "only the read of the device's end";
}

TEST_F(ScanWorkerTest, WhatEqualsAReferenceIsSharedWithIt) {
  write(0, 1);  // as the first reference has it
  write(1, 2);  // as the second has it
  write(2, 3);  // different from both
  write(3, 4);  // known, but its bytes are kept nowhere
  Entries first{};
  Entries second{};
  first[0] = stored(0, 1, 20);
  first[1] = stored(1, 99, 20);
  first[2] = stored(2, 98, 20);
  first[3] = {.state = EntryState::kAbsent, .digest = digest(3, 4)};
  first[4] = stored(4, 97, 20);  // has become zero
  second[0] = stored(0, 1, 21);
  second[1] = stored(1, 2, 21);
  const auto scanner = worker(true);
  const auto results = run(*scanner, {task(0, ChunkSet(0b11111), {first, second})});
  const ScanResult& result = results.at(100);
  EXPECT_EQ(result.entries[0], first[0]) << "of the first that has it";
  EXPECT_EQ(result.entries[1], second[1]);
  EXPECT_EQ(result.entries[2].segment, 7U);
  EXPECT_EQ(result.entries[3].segment, 7U);
  EXPECT_EQ(result.entries[4], Entry{});
  EXPECT_EQ(result.reference, first);
  EXPECT_EQ(result.stored_bytes, 2U * 4096);
  EXPECT_EQ(count(env_, sim::OpKind::kWrite), 1U) << "neighbours in one request";
}

TEST_F(ScanWorkerTest, TheSameBytesInAnotherPlaceAreNotTheSameChunk) {
  write(0, 1);
  Entries reference{};
  reference[0] = stored(0, 1, 20);
  reference[0].digest = digest(1, 1);
  const auto scanner = worker(true);
  EXPECT_EQ(run(*scanner, {task(0, ChunkSet(1), {reference})}).at(100).entries[0].segment, 7U);
}

TEST_F(ScanWorkerTest, WhatIsNoCandidateStaysAsTheReferenceSays) {
  write(0, 1);
  write(1, 2);
  Entries reference{};
  for (std::uint64_t i = 0; i < 6; ++i) reference[i] = stored(i, 50 + i, 20);
  const auto scanner = worker(true);
  const auto result =
      run(*scanner, {task(0, ChunkSet(0b10), {reference}, ChunkSet(0b1100))}).at(100);
  EXPECT_EQ(result.entries[0], reference[0]) << "not looked at, though it differs";
  EXPECT_EQ(result.entries[1].digest, digest(1, 2));
  EXPECT_EQ(result.entries[2], Entry{}) << "known to be zero";
  EXPECT_EQ(result.entries[3], Entry{});
  EXPECT_EQ(result.entries[4], reference[4]);
  EXPECT_EQ(result.scanned_bytes, 4096U);
}

TEST_F(ScanWorkerTest, WithoutRoomNothingIsWritten) {
  write(0, 1);
  write(2, 3);
  Entries reference{};
  reference[2] = stored(2, 3, 20);
  const auto scanner = worker(false);
  const auto result = run(*scanner, {task(0, ChunkSet(0b111), {reference})}).at(100);
  EXPECT_EQ(result.entries[0], (Entry{.state = EntryState::kAbsent, .digest = digest(0, 1)}));
  EXPECT_EQ(result.entries[1], Entry{});
  EXPECT_EQ(result.entries[2], reference[2]);
  EXPECT_EQ(result.stored_bytes, 0U);
  EXPECT_EQ(count(env_, sim::OpKind::kWrite), 0U);
}

TEST_F(ScanWorkerTest, ATaskWithNothingToReadIsDoneAtOnce) {
  Entries reference{};
  reference[1] = stored(1, 2, 20);
  const auto scanner = worker(true);
  scanner->add(task(0, {}, {reference}, ChunkSet(1)));
  EXPECT_TRUE(scanner->idle());
  const auto results = scanner->take_results();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].entries, reference);
  EXPECT_EQ(results[0].scanned_bytes, 0U);
}

// One slot may need more writes than the queue takes.
TEST_F(ScanWorkerTest, ManyScatteredCapturesGoThroughANarrowQueue) {
  Entries reference{};
  for (std::uint64_t i = 0; i < format::kFanout; ++i) {
    write(i, i + 1);
    if (i % 2 == 0) reference[i] = stored(i, i + 1, 20);
  }
  const auto scanner = worker(true, {.depth = 2, .slots = 2, .slot_bytes = 262144});
  const auto result = run(*scanner, {task(0, whole(0), {reference})}).at(100);
  EXPECT_EQ(result.stored_bytes, 64U * 4096);
  EXPECT_EQ(count(env_, sim::OpKind::kWrite), 64U);
  for (std::uint64_t i = 0; i < format::kFanout; ++i) {
    EXPECT_EQ(result.entries[i].segment, i % 2 == 0 ? 20U : 7U);
  }
}

TEST_F(ScanWorkerTest, ADeviceThatCannotBeReadIsAnErrorThatNamesTheExtent) {
  write(0, 1);
  env_.inject({.kinds = {sim::OpKind::kRead}, .path = "/dev/sim", .nth = 2, .error = ENODEV});
  const auto scanner = worker(true);
  scanner->add(task(0, whole(0)));
  Status status;
  while (status && !scanner->idle()) status = scanner->step();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kIo);
  EXPECT_EQ(status.error().sys_errno, ENODEV);
  EXPECT_TRUE(status.error().extent);
  EXPECT_NE(status.error().message.find("/dev/sim"), std::string::npos);
  scanner->drain();
  EXPECT_TRUE(scanner->take_results().empty()) << "a leaf is whole or not there";
}

// Only the sectors that are bad are lost, and the result names them.
TEST_F(ScanWorkerTest, ABadSectorIsNamedAndItsChunkDiffers) {
  write(0, 1);
  env_.break_sectors("/dev/sim", {1024, 512});
  const auto scanner = worker(false);
  scanner->add(task(0, whole(0)));
  while (!scanner->idle()) {
    const Status status = scanner->step();
    ASSERT_TRUE(status) << status.error().to_string();
  }
  const auto results = scanner->take_results();
  ASSERT_EQ(results.size(), 1U);
  ASSERT_EQ(results[0].unreadable.size(), 1U);
  EXPECT_LE(results[0].unreadable[0].offset, 1024U);
  EXPECT_GE(results[0].unreadable[0].end(), 1536U);
  EXPECT_LE(results[0].unreadable[0].length, 4096U);
  EXPECT_EQ(results[0].unreadable_errno, EIO);
  EXPECT_NE(results[0].entries[0].digest, results[0].reference[0].digest);
}

TEST_F(ScanWorkerTest, AFullStoreIsAnError) {
  write(0, 1);
  const auto run_to_error = [&] {
    const auto scanner = worker(true);
    scanner->add(task(0, ChunkSet(1)));
    Status status;
    while (status && !scanner->idle()) status = scanner->step();
    scanner->drain();
    return status;
  };
  env_.inject({.kinds = {sim::OpKind::kWrite}, .path = "/segment", .error = ENOSPC});
  Status status = run_to_error();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kNoSpace);
  space_->full = true;
  status = run_to_error();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kNoSpace);
}

}  // namespace
}  // namespace blkrewind::pipeline
