// Two extent maps in step, against a comparison of every single byte.
#include "track/extents/extent_diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <vector>

namespace blkrewind::track {
namespace {

// A map in memory that tells at most a few extents at a time, as a file system does.
class VectorMap {
 public:
  VectorMap(std::vector<io::MappedExtent> extents, std::size_t limit)
      : extents_(std::move(extents)), limit_(limit) {}

  Result<io::ExtentBatch> read(const Extent& range) {
    ++questions;
    io::ExtentBatch batch{.covers = range, .extents = {}};
    for (io::MappedExtent extent : extents_) {
      const std::uint64_t begin = std::max(extent.logical.offset, range.offset);
      const std::uint64_t end = std::min(extent.logical.end(), range.end());
      if (begin >= end) continue;
      if (batch.extents.size() == limit_) {
        batch.covers.length = batch.extents.back().logical.end() - range.offset;
        break;
      }
      extent.physical += begin - extent.logical.offset;
      extent.logical = {begin, end - begin};
      batch.extents.push_back(extent);
    }
    return batch;
  }

  ExtentDiff::ReadMap reader() {
    return [this](const Extent& range) { return read(range); };
  }

  int questions = 0;

 private:
  const std::vector<io::MappedExtent> extents_;
  const std::size_t limit_;
};

// The state of one byte in a map; empty: a hole.
struct Place {
  std::uint64_t physical = 0;
  bool comparable = false;
  bool unwritten = false;
};

std::optional<Place> place_of(const std::vector<io::MappedExtent>& extents, std::uint64_t byte) {
  for (const io::MappedExtent& extent : extents) {
    if (byte < extent.logical.offset || byte >= extent.logical.end()) continue;
    return Place{extent.physical + byte - extent.logical.offset, extent.comparable,
                 extent.unwritten};
  }
  return std::nullopt;
}

bool may_differ(const std::vector<io::MappedExtent>& a, const std::vector<io::MappedExtent>& b,
                std::uint64_t byte) {
  const auto in_a = place_of(a, byte);
  const auto in_b = place_of(b, byte);
  if (!in_a && !in_b) return false;
  if (!in_a || !in_b || !in_a->comparable || !in_b->comparable) return true;
  return in_a->physical != in_b->physical || in_a->unwritten != in_b->unwritten;
}

constexpr std::uint64_t kFileBytes = 96;

std::vector<io::MappedExtent> random_map(std::mt19937_64& random) {
  std::vector<io::MappedExtent> extents;
  for (std::uint64_t at = random() % 8; at < kFileBytes;) {
    const std::uint64_t length = std::min<std::uint64_t>(1 + random() % 16, kFileBytes - at);
    extents.push_back({.logical = {at, length},
                       .physical = 1000 + random() % 4,
                       .comparable = random() % 8 != 0,
                       .unwritten = random() % 6 == 0});
    at += length + (random() % 2 == 0 ? random() % 8 : 0);
  }
  return extents;
}

// As after some writes: most of it is at the same location, split differently.
std::vector<io::MappedExtent> changed_map(const std::vector<io::MappedExtent>& before,
                                          std::mt19937_64& random) {
  std::vector<io::MappedExtent> after;
  for (const io::MappedExtent& extent : before) {
    const std::uint64_t cut = random() % (extent.logical.length + 1);
    for (io::MappedExtent part :
         {io::MappedExtent{
              {extent.logical.offset, cut}, extent.physical, extent.comparable, extent.unwritten},
          io::MappedExtent{{extent.logical.offset + cut, extent.logical.length - cut},
                           extent.physical + cut,
                           extent.comparable,
                           extent.unwritten}}) {
      if (part.logical.empty() || random() % 8 == 0) continue;
      if (random() % 6 == 0) part.physical += 1 + random() % 3;
      if (random() % 12 == 0) part.unwritten = !part.unwritten;
      if (random() % 12 == 0) part.comparable = false;
      after.push_back(part);
    }
  }
  return after;
}

TEST(ExtentDiff, SaysOfEveryByteWhatAComparisonByByteSays) {
  std::mt19937_64 random(20240611);
  for (int round = 0; round < 3000; ++round) {
    const auto a = random_map(random);
    const auto b = round % 3 == 0 ? random_map(random) : changed_map(a, random);
    VectorMap map_a(a, 1 + random() % 6);
    VectorMap map_b(b, 1 + random() % 6);
    const std::uint64_t begin = random() % kFileBytes;
    const Extent range{begin, 1 + random() % (kFileBytes - begin)};
    ExtentDiff diff(map_a.reader(), map_b.reader(), range);

    std::array<bool, kFileBytes> marked = {};
    std::uint64_t at = random() % 2 == 0 ? 0 : range.offset;
    while (true) {
      const auto found = diff.next(at);
      ASSERT_TRUE(found) << found.error().to_string();
      if (found->empty()) break;
      ASSERT_GE(found->offset, std::max(at, range.offset)) << "ascending, round " << round;
      ASSERT_LE(found->end(), range.end()) << "clipped, round " << round;
      std::fill(marked.begin() + static_cast<std::ptrdiff_t>(found->offset),
                marked.begin() + static_cast<std::ptrdiff_t>(found->end()), true);
      at = found->end();
    }
    for (std::uint64_t byte = range.offset; byte < range.end(); ++byte) {
      ASSERT_EQ(marked[byte], may_differ(a, b, byte)) << "round " << round << ", byte " << byte;
    }
    // From anywhere, backwards too.
    for (int again = 0; again < 10; ++again) {
      const std::uint64_t from = random() % (kFileBytes + 5);
      const auto found = diff.next(from);
      ASSERT_TRUE(found);
      std::uint64_t expected = std::max(from, range.offset);
      while (expected < range.end() && !marked[expected]) ++expected;
      ASSERT_EQ(found->empty(), expected >= range.end()) << "round " << round;
      if (found->empty()) continue;
      ASSERT_EQ(found->offset, expected) << "round " << round;
    }
  }
}

TEST(ExtentDiff, AsksForEachBatchOnce) {
  std::vector<io::MappedExtent> a;
  for (std::uint64_t i = 0; i < 64; ++i) {
    a.push_back({.logical = {i * 4, 2}, .physical = 1000 + i * 4, .comparable = true});
  }
  std::vector<io::MappedExtent> b = a;
  for (io::MappedExtent& extent : b) extent.physical += 500;
  VectorMap map_a(a, 16);
  VectorMap map_b(b, 16);
  ExtentDiff diff(map_a.reader(), map_b.reader(), {0, 256});
  int count = 0;
  for (std::uint64_t at = 0;; ++count) {
    const auto found = diff.next(at);
    ASSERT_TRUE(found);
    if (found->empty()) break;
    at = found->end();
  }
  EXPECT_EQ(count, 64);
  EXPECT_LE(map_a.questions, 5);
  EXPECT_EQ(map_a.questions, map_b.questions) << "both at the same time";
}

TEST(ExtentDiff, WhatCannotBeComparedDiffersFromItself) {
  const std::vector<io::MappedExtent> inlined = {{.logical = {0, 10}, .physical = 0}};
  VectorMap a(inlined, 8);
  VectorMap b(inlined, 8);
  ExtentDiff diff(a.reader(), b.reader(), {0, 20});
  const auto found = diff.next(0);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (Extent{0, 10}));
}

}  // namespace
}  // namespace blkrewind::track
