#include "pipeline/restore_worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "support/simulated_env.h"
#include "unit/format/samples.h"
#include "unit/pipeline/worker_runs.h"

namespace blkrewind::pipeline {
namespace {

using format::Entry;
using format::EntryState;
using format::random_bytes;

class RestoreWorkerTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kChunks = 40;
  const format::Geometry geometry_{kChunks * 4096 - 1000, 4096};
  const DigestSecret secret_ = format::test_secret(1);

  void SetUp() override {
    env_.add_device("/dev/sim", geometry_.device_bytes, host::DeviceKind::kBlock);
    before_ = random_bytes(geometry_.device_bytes, 1000);
    env_.poke("/dev/sim", 0, before_);
    for (const char* name : {"/segment1", "/segment2"}) env_.add_device(name, kMiB);
    device_ = open_file(env_, "/dev/sim", io::Access::kReadWrite);
    segments_ = {{1, open_file(env_, "/segment1", io::Access::kReadOnly)},
                 {2, open_file(env_, "/segment2", io::Access::kReadOnly)}};
  }
  std::unique_ptr<RestoreWorker> worker(bool verify_only = false,
                                        io::QueueOptions options = {.depth = 8,
                                                                    .slots = 2,
                                                                    .slot_bytes = 65536},
                                        std::uint32_t compare_block_bytes = 0) {
    auto queue = env_.make_queue(options);
    if (!queue) throw std::runtime_error(queue.error().to_string());
    return std::make_unique<RestoreWorker>(
        std::move(*queue), RestoreSettings{verify_only ? nullptr : device_.get(), geometry_,
                                           &secret_, compare_block_bytes});
  }
  std::vector<std::byte> wanted(std::uint64_t chunk) const {
    return random_bytes(geometry_.chunk_extent(chunk).length, chunk + 1);
  }
  // Puts the chunk's bytes into the store.
  PlannedChunk store(std::uint64_t chunk, std::uint32_t segment, std::uint32_t block) {
    const auto bytes = wanted(chunk);
    env_.poke("/segment" + std::to_string(segment), block * format::kBlockBytes, bytes);
    return {chunk,
            {EntryState::kStored, format::Codec::kNone, segment, block,
             static_cast<std::uint32_t>(bytes.size()),
             digest_of(secret_, bytes, DigestDomain::kChunk, 0, chunk)}};
  }
  RestoreTask task(std::uint64_t sequence, std::vector<PlannedChunk> chunks) const {
    RestoreTask made;
    made.sequence = sequence;
    made.item.device.offset = geometry_.chunk_extent(chunks.front().chunk).offset;
    made.item.device.length =
        geometry_.chunk_extent(chunks.back().chunk).end() - made.item.device.offset;
    for (const auto& chunk : chunks) made.files.push_back(segments_.at(chunk.source.segment));
    made.item.chunks = std::move(chunks);
    return made;
  }
  static RestoreTask zeroes(std::uint64_t sequence, Extent device) {
    RestoreTask made;
    made.sequence = sequence;
    made.item = {device, true, {}};
    return made;
  }
  void put_before(std::uint64_t offset, const std::vector<std::byte>& bytes) {
    std::ranges::copy(bytes, before_.begin() + static_cast<std::ptrdiff_t>(offset));
    env_.poke("/dev/sim", offset, bytes);
  }
  // The device holds the wanted bytes of these chunks, and is as before elsewhere.
  void expect_restored(const std::set<std::uint64_t>& chunks) const {
    auto expected = before_;
    for (const std::uint64_t chunk : chunks) {
      const auto bytes = wanted(chunk);
      std::ranges::copy(bytes, expected.begin() + static_cast<std::ptrdiff_t>(
                                                      geometry_.chunk_extent(chunk).offset));
    }
    EXPECT_TRUE(env_.contents("/dev/sim") == expected);
  }

  sim::SimulatedEnv env_;
  std::vector<std::byte> before_;
  std::unique_ptr<io::File> device_;
  std::map<std::uint32_t, std::shared_ptr<io::File>> segments_;
};

TEST_F(RestoreWorkerTest, BringsEveryChunkInLongRequests) {
  // Side by side in the store, then elsewhere, then in another segment; the last one is short.
  const auto restorer = worker();
  const auto results =
      run(*restorer, {task(5, {store(3, 1, 1), store(4, 1, 2), store(5, 1, 9), store(6, 2, 10)}),
                      task(6, {store(38, 2, 20), store(39, 2, 21)})});
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results.at(5).chunks, 4U);
  EXPECT_EQ(results.at(5).device, (Extent{3 * 4096, 4 * 4096}));
  EXPECT_TRUE(results.at(5).bad.empty());
  EXPECT_TRUE(results.at(6).bad.empty());
  expect_restored({3, 4, 5, 6, 38, 39});
  EXPECT_EQ(count(env_, sim::OpKind::kRead), 3U + 1U);
  EXPECT_EQ(count(env_, sim::OpKind::kWrite), 2U);
}

TEST_F(RestoreWorkerTest, WritesOnlyTheBlocksThatDifferWhenItCompares) {
  // Chunks 3 and 4 stand there but for two blocks; 39, the short one, but for its last byte; of 10
  // nothing, and 12 is as it should be.
  for (const std::uint64_t chunk : {3, 4, 12, 39}) {
    put_before(geometry_.chunk_extent(chunk).offset, wanted(chunk));
  }
  put_before(3 * 4096 + 3584, random_bytes(1024, 77));
  put_before(geometry_.device_bytes - 1, {before_.back() ^ std::byte{1}});
  const auto restorer = worker(false, {.depth = 8, .slots = 2, .slot_bytes = 65536}, 512);
  const auto results =
      run(*restorer, {task(1, {store(3, 1, 1), store(4, 1, 2)}), task(2, {store(10, 1, 3)}),
                      task(3, {store(12, 2, 4)}), task(4, {store(39, 2, 5)})});
  expect_restored({3, 4, 10, 12, 39});
  EXPECT_EQ(results.at(1).written_bytes, 1024U);
  EXPECT_EQ(results.at(2).written_bytes, 4096U);
  EXPECT_EQ(results.at(3).written_bytes, 0U);
  EXPECT_EQ(results.at(4).written_bytes, (4096U - 1000U) % 512U);
  EXPECT_EQ(count(env_, sim::OpKind::kWrite), 3U) << "neighbouring blocks are one request";
}

TEST_F(RestoreWorkerTest, NeverComparesWithWhatIsCorrupt) {
  const PlannedChunk chunk = store(3, 1, 1);
  env_.poke("/segment1", format::kBlockBytes, random_bytes(16, 5));
  const auto restorer = worker(false, {.depth = 8, .slots = 2, .slot_bytes = 65536}, 512);
  const auto results = run(*restorer, {task(1, {chunk})});
  EXPECT_EQ(results.at(1).bad.size(), 1U);
  expect_restored({});
}

TEST_F(RestoreWorkerTest, ZeroesAreNotStreamed) {
  const auto restorer = worker();
  const auto results = run(*restorer, {zeroes(1, {8192, 8192})});
  EXPECT_TRUE(results.at(1).zero);
  EXPECT_EQ(count(env_, sim::OpKind::kWrite), 0U);
  EXPECT_EQ(count(env_, sim::OpKind::kWriteZeroes), 1U);
  EXPECT_TRUE(is_all_zero(env_.contents("/dev/sim", {8192, 8192})));
  EXPECT_EQ(env_.contents("/dev/sim", {0, 8192}),
            std::vector<std::byte>(before_.begin(), before_.begin() + 8192));
}

TEST_F(RestoreWorkerTest, AChunkThatIsCorruptIsNeverWritten) {
  for (std::uint64_t bad = 3; bad <= 6; ++bad) {
    const auto chunks =
        std::vector{store(3, 1, 1), store(4, 1, 2), store(5, 1, 9), store(6, 2, 10)};
    const Entry& source = chunks[bad - 3].source;
    env_.rot_bit("/segment" + std::to_string(source.segment), source.offset_bytes() + 4095, 7);
    const auto restorer = worker();
    const auto results = run(*restorer, {task(1, chunks), task(2, {store(20, 2, 30)})});
    ASSERT_EQ(results.at(1).bad.size(), 1U);
    EXPECT_EQ(results.at(1).bad[0].chunk, bad);
    EXPECT_EQ(results.at(1).bad[0].source, source);
    EXPECT_EQ(results.at(1).bad[0].sys_errno, 0);
    EXPECT_TRUE(results.at(2).bad.empty()) << "the others go on";
    expect_restored({20});
    env_.heal();
  }
}

TEST_F(RestoreWorkerTest, EveryBadChunkIsNamed) {
  const auto chunks = std::vector{store(3, 1, 1), store(4, 1, 2), store(5, 1, 3)};
  env_.rot_bit("/segment1", 4096, 0);
  env_.rot_bit("/segment1", 3 * 4096, 0);
  const auto restorer = worker();
  const auto results = run(*restorer, {task(1, chunks)});
  std::set<std::uint64_t> named;
  for (const auto& bad : results.at(1).bad) named.insert(bad.chunk);
  EXPECT_EQ(named, (std::set<std::uint64_t>{3, 5}));
  expect_restored({});
}

TEST_F(RestoreWorkerTest, BytesOfAnotherChunkAreBad) {
  PlannedChunk wrong = store(4, 1, 1);
  wrong.chunk = 5;
  const auto restorer = worker();
  EXPECT_EQ(run(*restorer, {task(1, {wrong})}).at(1).bad.size(), 1U);
  expect_restored({});
}

// A length that is not the chunk's would be read over the end of the buffer, or leave old bytes.
TEST_F(RestoreWorkerTest, AHostileLengthIsBadAndNotRead) {
  for (const std::uint32_t length : {1U, 4095U, 8192U, kMaxChunkBytes, 0xffffffU}) {
    auto chunks = std::vector{store(3, 1, 1), store(4, 1, 2), store(5, 1, 3)};
    chunks[1].source.length_bytes = length;
    env_.clear_log();
    const auto restorer = worker(false, {.depth = 8, .slots = 1, .slot_bytes = 12288});
    const auto results = run(*restorer, {task(1, chunks), task(2, {chunks[1]})});
    for (const std::uint64_t sequence : {1U, 2U}) {
      ASSERT_EQ(results.at(sequence).bad.size(), 1U) << length;
      EXPECT_EQ(results.at(sequence).bad[0].chunk, 4U);
    }
    for (const auto& op : env_.log()) EXPECT_EQ(op.extent.length, 4096U);
    EXPECT_EQ(count(env_, sim::OpKind::kRead), 2U);
    expect_restored({});
  }
}

TEST_F(RestoreWorkerTest, AStoreThatCannotBeReadIsABadChunk) {
  env_.inject({.kinds = {sim::OpKind::kRead}, .path = "/segment2"});
  const auto restorer = worker();
  const auto results = run(*restorer, {task(1, {store(3, 1, 1), store(4, 2, 2)})});
  ASSERT_EQ(results.at(1).bad.size(), 1U);
  EXPECT_EQ(results.at(1).bad[0].chunk, 4U);
  EXPECT_EQ(results.at(1).bad[0].sys_errno, EIO);
  expect_restored({});
}

TEST_F(RestoreWorkerTest, ADeviceThatCannotBeWrittenIsAnError) {
  for (const bool zero : {false, true}) {
    env_.inject({.kinds = {sim::OpKind::kWrite, sim::OpKind::kWriteZeroes}, .path = "/dev/sim"});
    const auto restorer = worker();
    restorer->add(zero ? zeroes(1, {0, 4096}) : task(1, {store(3, 1, 1)}));
    Status status;
    while (status && !restorer->idle()) status = restorer->step();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Errc::kIo);
    EXPECT_EQ(status.error().sys_errno, EIO);
    ASSERT_TRUE(status.error().extent);
    EXPECT_EQ(*status.error().extent, (zero ? Extent{0, 4096} : Extent{3 * 4096, 4096}));
    EXPECT_NE(status.error().message.find("/dev/sim"), std::string::npos);
    restorer->drain();
    EXPECT_TRUE(restorer->take_results().empty());
  }
}

TEST_F(RestoreWorkerTest, WithoutADeviceItOnlyVerifies) {
  const auto good = store(3, 1, 1);
  const auto bad = store(4, 1, 2);
  env_.rot_bit("/segment1", 2 * 4096, 0);
  const auto before = env_.mutations();
  const auto verifier = worker(true);
  const auto results =
      run(*verifier, {task(1, {good}), task(2, {bad}), zeroes(3, {8 * 4096, 4096})});
  EXPECT_TRUE(results.at(1).bad.empty());
  EXPECT_EQ(results.at(2).bad.size(), 1U);
  EXPECT_TRUE(results.at(3).zero);
  EXPECT_EQ(env_.mutations(), before);
}

// More pieces than the queue takes at once.
TEST_F(RestoreWorkerTest, AScatteredItemGoesThroughANarrowQueue) {
  std::vector<PlannedChunk> chunks;
  std::set<std::uint64_t> numbers;
  for (std::uint64_t chunk = 0; chunk < 16; ++chunk) {
    chunks.push_back(store(chunk, 1, static_cast<std::uint32_t>(200 - 2 * chunk)));
    numbers.insert(chunk);
  }
  const auto restorer = worker(false, {.depth = 2, .slots = 1, .slot_bytes = 65536});
  EXPECT_TRUE(run(*restorer, {task(1, chunks)}).at(1).bad.empty());
  expect_restored(numbers);
}

}  // namespace
}  // namespace blkrewind::pipeline
