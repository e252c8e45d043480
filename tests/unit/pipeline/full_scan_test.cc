#include "pipeline/full_scan.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/simulated_env.h"
#include "support/simulated_random.h"

namespace blkrewind::pipeline {
namespace {

constexpr std::uint64_t kLeafBytes = 128 * 4096;

class FullScanTest : public testing::Test {
 protected:
  void make(std::uint64_t size, host::DeviceKind kind = host::DeviceKind::kFile) {
    env_.add_device("/img", size, kind);
    auto opened = env_.open("/img", {});
    ASSERT_TRUE(opened);
    file_ = std::move(*opened);
  }
  void poke(std::uint64_t offset, std::size_t count = 1) {
    env_.poke("/img", offset, std::vector<std::byte>(count, std::byte{1}));
  }
  std::vector<Candidate> scan(const format::Geometry& geometry) {
    FullScan source(*file_, geometry);
    EXPECT_STREQ(source.name(), "scan");
    std::vector<Candidate> candidates;
    while (true) {
      auto next = source.next();
      if (!next) {
        ADD_FAILURE() << next.error().to_string();
        return candidates;
      }
      if (!*next) break;
      candidates.push_back(**next);
    }
    EXPECT_FALSE(*source.next()) << "nothing after the last";
    return candidates;
  }

  sim::SimulatedEnv env_;
  std::unique_ptr<io::File> file_;
};

TEST_F(FullScanTest, ABlockDeviceIsReadWhole) {
  make(kLeafBytes + 2 * 4096 + 512, host::DeviceKind::kBlock);
  const auto candidates = scan({kLeafBytes + 2 * 4096 + 512, 4096});
  ASSERT_EQ(candidates.size(), 2U);
  EXPECT_EQ(candidates[0].leaf, 0U);
  EXPECT_TRUE(candidates[0].read.all());
  EXPECT_EQ(candidates[1].leaf, 1U);
  EXPECT_EQ(candidates[1].read, ChunkSet(0b111)) << "the short last chunk too, and none beyond";
  EXPECT_TRUE(candidates[1].zero.none());
}

TEST_F(FullScanTest, AnEmptyFileIsAllZeroAndReadNowhere) {
  make(3 * kLeafBytes - 5);
  const auto candidates = scan({3 * kLeafBytes - 5, 4096});
  ASSERT_EQ(candidates.size(), 3U);
  for (const Candidate& candidate : candidates) {
    EXPECT_TRUE(candidate.read.none());
    EXPECT_TRUE(candidate.zero.all());
  }
}

TEST_F(FullScanTest, AChunkWithAnyDataIsReadWhole) {
  make(4 * kLeafBytes);
  poke(kLeafBytes + 70'000);
  const auto candidates = scan({4 * kLeafBytes, 65536});
  ASSERT_EQ(candidates.size(), 1U) << "32 chunks";
  EXPECT_EQ(candidates[0].read, ChunkSet(std::uint64_t{1} << 9));
  EXPECT_EQ(candidates[0].zero, ~candidates[0].read & ChunkSet(0xffffffff));
}

TEST_F(FullScanTest, DataAcrossLeavesIsInBoth) {
  make(3 * kLeafBytes);
  poke(kLeafBytes - 1, 2);
  const auto candidates = scan({3 * kLeafBytes, 4096});
  ASSERT_EQ(candidates.size(), 3U);
  EXPECT_EQ(candidates[0].read, ChunkSet(1) << 127);
  EXPECT_EQ(candidates[1].read, ChunkSet(1));
  EXPECT_TRUE(candidates[2].read.none());
}

// A file that has become shorter than the geometry ends early: that is an error with the offset of
// its end, and never zeroes. A hole up to the end of the geometry is not an error.
TEST_F(FullScanTest, BeyondTheEndOfTheFileIsAnError) {
  for (const std::uint64_t size : {std::uint64_t{4096}, kLeafBytes, 2 * kLeafBytes - 4096}) {
    const std::string name = "/img" + std::to_string(size);
    env_.add_device(name, size, host::DeviceKind::kFile);
    env_.poke(name, 0, std::vector<std::byte>(1, std::byte{1}));
    auto opened = env_.open(name, {});
    ASSERT_TRUE(opened);
    file_ = std::move(*opened);
    FullScan source(*file_, {2 * kLeafBytes, 4096});
    // Only holes precede that end: it is known at once.
    const auto next = source.next();
    ASSERT_FALSE(next) << size;
    EXPECT_EQ(next.error().code, Errc::kIo) << size;
    const std::string end = "ends at " + std::to_string(size) + " bytes";
    EXPECT_NE(next.error().message.find(end), std::string::npos) << next.error().message;
  }
}

// Every chunk is in exactly one set, and in `read` exactly if it holds data.
TEST_F(FullScanTest, FindsRandomHoles) {
  sim::Random random(5);
  for (int round = 0; round < 40; ++round) {
    const std::uint64_t size = 1 + random.below(6 * kLeafBytes);
    const std::uint32_t chunk_bytes = 4096U << random.below(5);
    const std::string name = "/img" + std::to_string(round);
    env_.add_device(name, size);
    const format::Geometry geometry{size, chunk_bytes};
    std::vector<bool> data(geometry.chunk_count());
    for (std::uint64_t i = random.below(12); i > 0; --i) {
      const std::uint64_t offset = random.below(size);
      const std::uint64_t count = 1 + random.below(std::min<std::uint64_t>(30'000, size - offset));
      env_.poke(name, offset, std::vector<std::byte>(count, std::byte{1}));
      for (std::uint64_t at = offset / chunk_bytes; at <= (offset + count - 1) / chunk_bytes;
           ++at) {
        data[at] = true;
      }
    }
    auto opened = env_.open(name, {});
    ASSERT_TRUE(opened);
    file_ = std::move(*opened);
    const auto candidates = scan(geometry);
    ASSERT_EQ(candidates.size(), geometry.leaf_count());
    for (std::uint64_t leaf = 0; leaf < candidates.size(); ++leaf) {
      ASSERT_EQ(candidates[leaf].leaf, leaf);
      for (std::uint64_t i = 0; i < format::kFanout; ++i) {
        const std::uint64_t chunk = leaf * format::kFanout + i;
        const bool exists = chunk < data.size();
        ASSERT_EQ(candidates[leaf].read.test(i), exists && data[chunk]) << "chunk " << chunk;
        ASSERT_EQ(candidates[leaf].zero.test(i), exists && !data[chunk]) << "chunk " << chunk;
      }
    }
  }
}

TEST_F(FullScanTest, AnErrorOfTheDeviceIsHandedOn) {
  make(kLeafBytes);
  env_.inject({.kinds = {sim::OpKind::kLook}, .path = "/img"});
  FullScan source(*file_, {kLeafBytes, 4096});
  const auto next = source.next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().sys_errno, EIO);
}

}  // namespace
}  // namespace blkrewind::pipeline
