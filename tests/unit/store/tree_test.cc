// Builder, cursor, difference and unique walk against a map.
#include <gtest/gtest.h>

#include "store/tree_diff.h"
#include "store/unique_walk.h"
#include "unit/store/tree_fixture.h"

namespace blkrewind::store {
namespace {

struct Shape {
  std::uint32_t height;
  std::uint64_t chunks;
  std::uint64_t seed;
};

format::Geometry geometry_of_chunks(std::uint64_t chunks) { return {chunks * 4096 - 100, 4096}; }

Changes walk(TreeReader& reader, const Tree& from, const Tree& to) {
  TreeDiff diff(reader, from, to);
  Changes changes;
  std::int64_t last = -1;
  while (const auto found = must(diff.next())) {
    EXPECT_GT(static_cast<std::int64_t>(found->chunk), last) << "in order";
    last = static_cast<std::int64_t>(found->chunk);
    changes[found->chunk] = {found->from, found->to};
  }
  return changes;
}

class RandomTrees : public TreeTest, public testing::WithParamInterface<Shape> {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    random_ = sim::Random(GetParam().seed);
    geometry_ = geometry_of_chunks(GetParam().chunks);
    ASSERT_EQ(geometry_.height(), GetParam().height);
    for (int i = 0; i < kTrees; ++i) {
      const GrownTree* base = nullptr;
      if (i > 0 && !random_.percent(5)) base = &trees_[random_.below(trees_.size())];
      auto grown = grow(geometry_, base);
      trees_.push_back(std::move(grown));
    }
  }

  static constexpr int kTrees = 24;
  format::Geometry geometry_;
  std::vector<GrownTree> trees_;
};

TEST_P(RandomTrees, HoldWhatTheModelHolds) {
  for (const GrownTree& grown : trees_) {
    TreeCursor cursor(*reader_, grown.tree);
    std::set<std::uint64_t> looked = {0, geometry_.chunk_count() - 1};
    for (const auto& [chunk, entry] : grown.model) {
      looked.insert(chunk);
      looked.insert(std::min(chunk + 1, geometry_.chunk_count() - 1));
    }
    for (int i = 0; i < 50; ++i) looked.insert(random_.below(geometry_.chunk_count()));
    for (const std::uint64_t chunk : looked) {
      const auto found = grown.model.find(chunk);
      const auto expected = found == grown.model.end() ? format::Entry{} : found->second;
      ASSERT_EQ(must(cursor.entry(0, chunk)), expected) << "chunk " << chunk;
    }
    // Backwards, and by leaves.
    for (auto at = grown.model.rbegin(); at != grown.model.rend(); ++at) {
      const auto* leaf = must(cursor.leaf(at->first / format::kFanout));
      ASSERT_NE(leaf, nullptr);
      ASSERT_EQ(*leaf, leaf_of(grown.model, at->first / format::kFanout));
    }
    // Nothing is stored for zeroes: no node is without an entry.
    EXPECT_EQ(grown.tree.root.is_zero(), grown.model.empty());
    for (const auto& [where, place] : extents_of(*reader_, grown.tree)) {
      if (where.first < 0) {
        ASSERT_TRUE(grown.model.contains(where.second));
        continue;
      }
      const std::uint64_t first = where.second << (format::kFanoutBits * (where.first + 1));
      const auto below = grown.model.lower_bound(first);
      ASSERT_TRUE(below != grown.model.end() &&
                  below->first >> (format::kFanoutBits * (where.first + 1)) == where.second);
    }
  }
}

TEST_P(RandomTrees, DifferWhereTheModelsDiffer) {
  std::size_t differences = 0;
  for (int i = 0; i < 60; ++i) {
    const GrownTree& from = trees_[random_.below(trees_.size())];
    const GrownTree& to = trees_[random_.below(trees_.size())];
    const Changes expected = changes_between(from.model, to.model);
    ASSERT_EQ(walk(*reader_, from.tree, to.tree), expected);
    differences += expected.size();
  }
  EXPECT_GT(differences, 0U);
  const Tree nothing{geometry_, {}};
  for (const GrownTree& grown : trees_) {
    EXPECT_EQ(walk(*reader_, nothing, grown.tree).size(), grown.model.size());
    EXPECT_EQ(walk(*reader_, grown.tree, nothing).size(), grown.model.size());
    EXPECT_TRUE(walk(*reader_, grown.tree, grown.tree).empty());
  }
}

// Equal content, equal digest, whatever the history.
TEST_P(RandomTrees, AreEqualByDigestExactlyWhenTheModelsAre) {
  for (const GrownTree& grown : trees_) {
    std::set<std::uint64_t> leaves;
    for (const auto& [chunk, entry] : grown.model) leaves.insert(chunk / format::kFanout);
    const GrownTree anew = build(geometry_, nullptr, grown.model, leaves);
    EXPECT_EQ(anew.tree.root.digest, grown.tree.root.digest);
    const GrownTree& other = trees_[random_.below(trees_.size())];
    EXPECT_EQ(other.tree.root.digest == grown.tree.root.digest,
              changes_between(other.model, grown.model).empty());
  }
}

TEST_P(RandomTrees, WhatIsUniqueIsWhatNoKinHas) {
  std::size_t shared = 0;
  std::size_t unique = 0;
  for (int i = 0; i < 40; ++i) {
    const GrownTree& self = trees_[random_.below(trees_.size())];
    std::vector<Tree> kin;
    std::set<Place> held;
    for (std::uint64_t k = random_.below(4); k > 0; --k) {
      kin.push_back(trees_[random_.below(trees_.size())].tree);
      for (const auto& [where, place] : extents_of(*reader_, kin.back())) held.insert(place);
    }
    Extents expected = extents_of(*reader_, self.tree);
    shared += std::erase_if(expected, [&](const auto& e) { return held.contains(e.second); });
    unique += expected.size();

    Extents found;
    must(for_each_unique(*reader_, self.tree, kin, {}, [&](const UniqueExtent& extent) -> Status {
      const auto place = Place{extent.entry.segment, extent.entry.block};
      EXPECT_TRUE(found.emplace(std::pair(extent.level, extent.index), place).second) << "twice";
      if (extent.level >= 0) {
        // Everything below comes before it, because it is freed first.
        const auto parent = std::pair(extent.level + 1, extent.index / format::kFanout);
        EXPECT_FALSE(found.contains(parent));
      }
      return {};
    }));
    ASSERT_EQ(found, expected);

    const int levels = static_cast<int>(geometry_.height());
    for (int what = UniqueFilter::kChunks; what < levels; ++what) {
      Extents one;
      must(for_each_unique(
          *reader_, self.tree, kin, {.what = what}, [&](const UniqueExtent& extent) -> Status {
            one[{extent.level, extent.index}] = {extent.entry.segment, extent.entry.block};
            return {};
          }));
      Extents of_level = expected;
      std::erase_if(of_level, [&](const auto& e) { return e.first.first != what; });
      ASSERT_EQ(one, of_level) << "level " << what;
    }
  }
  EXPECT_GT(shared, 0U);
  EXPECT_GT(unique, 0U);
}

INSTANTIATE_TEST_SUITE_P(Heights, RandomTrees,
                         testing::Values(Shape{1, 1, 11}, Shape{1, 100, 2}, Shape{1, 128, 3},
                                         Shape{2, 129, 4}, Shape{2, 3000, 5}, Shape{2, 16384, 6},
                                         Shape{3, 16385, 7}, Shape{3, 1'000'000, 8},
                                         Shape{4, std::uint64_t{1} << 28, 9},
                                         Shape{4, 2'097'153, 10}),
                         [](const auto& shape) {
                           return "Height" + std::to_string(shape.param.height) + "Chunks" +
                                  std::to_string(shape.param.chunks);
                         });

class TreeSharing : public TreeTest {
 protected:
  const format::Geometry geometry_ = geometry_of_chunks(1'000'000);

  GrownTree some_tree() {
    Model model;
    for (const std::uint64_t chunk : {0UL, 1UL, 200UL, 20'000UL, 999'999UL}) {
      model[chunk] = new_chunk(token_);
    }
    return build(geometry_, nullptr, model, {0, 1, 156, 7812});
  }
};

TEST_F(TreeSharing, AnUnchangedTreeWritesNothing) {
  const GrownTree base = some_tree();
  EXPECT_EQ(nodes_written_, 4U + 3U + 1U);
  const GrownTree same = build(geometry_, &base, base.model, {0, 1, 5, 156, 7000, 7812});
  EXPECT_EQ(nodes_written_, 0U);
  EXPECT_EQ(same.tree.root, base.tree.root);
  const GrownTree untouched = build(geometry_, &base, base.model, {});
  EXPECT_EQ(nodes_written_, 0U);
  EXPECT_EQ(untouched.tree.root, base.tree.root);
}

TEST_F(TreeSharing, OneChangedChunkWritesOnlyItsPath) {
  const GrownTree base = some_tree();
  Model model = base.model;
  model[20'001] = new_chunk(token_);
  build(geometry_, &base, model, {0, 156, 7812});
  EXPECT_EQ(nodes_written_, 3U) << "a leaf, an inner node, the root";
}

TEST_F(TreeSharing, ATreeThatBecomesZeroIsNoNodeAtAll) {
  const GrownTree base = some_tree();
  const GrownTree zero = build(geometry_, &base, {}, {0, 1, 156, 7812});
  EXPECT_EQ(nodes_written_, 0U);
  EXPECT_EQ(zero.tree.root, format::Entry{});
}

// The parts of a tree that are the base's are not read to build it.
TEST_F(TreeSharing, ADamagedNodeIsNamedAndOnlyWhereItIsNeeded) {
  const GrownTree base = some_tree();
  TreeCursor cursor(*reader_, base.tree);
  const format::Entry damaged = must(cursor.entry(1, 156));
  env_.rot_bit(layout_.segment(1, damaged.segment), damaged.offset_bytes() + 700, 3);
  const auto opened = must(Store::open(env_, kPath));
  const auto fresh = must(opened->history(1));
  TreeReader reader(fresh->files(), *queue_, fresh->secret());
  TreeCursor again(reader, base.tree);
  EXPECT_EQ(must(again.entry(0, 200)), base.model.at(200));
  const auto failed = again.entry(0, 20'000);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kIntegrity);
  for (const std::string& part :
       {std::string("level 0, index 156"), "segment " + std::to_string(damaged.segment),
        "offset " + std::to_string(damaged.offset_bytes())}) {
    EXPECT_NE(failed.error().message.find(part), std::string::npos) << failed.error().message;
  }
  EXPECT_EQ(must(again.entry(0, 999'999)), base.model.at(999'999)) << "it goes on elsewhere";

  const UniqueVisitor ignore = [](const UniqueExtent&) -> Status { return {}; };
  EXPECT_FALSE(for_each_unique(reader, base.tree, {}, {}, ignore));
  std::size_t chunks = 0;
  must(for_each_unique(reader, base.tree, {},
                       {.what = UniqueFilter::kChunks, .pass_over_damage = true},
                       [&](const UniqueExtent&) -> Status {
                         ++chunks;
                         return {};
                       }));
  EXPECT_EQ(chunks, 4U) << "all but the one below the damage";
}

TEST_F(TreeSharing, ADeviceThatCannotBeReadIsNotTakenForDamage) {
  const GrownTree base = some_tree();
  env_.inject({.kinds = {sim::OpKind::kRead}, .path = "/segments/", .nth = 2});
  const auto opened = must(Store::open(env_, kPath));
  const auto fresh = must(opened->history(1));
  TreeReader reader(fresh->files(), *queue_, fresh->secret());
  const auto walked = for_each_unique(reader, base.tree, {}, {.pass_over_damage = true},
                                      [](const UniqueExtent&) -> Status { return {}; });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, Errc::kIo);
}

TEST_F(TreeSharing, KinOfAnotherSizeShareNothing) {
  const GrownTree base = some_tree();
  Tree resized = base.tree;
  resized.geometry.device_bytes += 4096;
  std::size_t found = 0;
  must(for_each_unique(*reader_, base.tree, std::vector{resized}, {},
                       [&](const UniqueExtent&) -> Status {
                         ++found;
                         return {};
                       }));
  EXPECT_EQ(found, 5U + 8U);
}

TEST_F(TreeSharing, AnErrorOfTheVisitorEndsTheWalk) {
  const GrownTree base = some_tree();
  int calls = 0;
  const auto walked =
      for_each_unique(*reader_, base.tree, {}, {}, [&](const UniqueExtent&) -> Status {
        ++calls;
        return fail(Errc::kCancelled, "enough");
      });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, Errc::kCancelled);
  EXPECT_EQ(calls, 1);
}

// The cost of a diff depends on the difference, not on the size of the device.
TEST_F(TreeSharing, ADifferenceReadsOnlyWhatDiffers) {
  Model model;
  std::set<std::uint64_t> leaves;
  for (std::uint64_t leaf = 0; leaf < 7000; leaf += 7) {
    model[leaf * format::kFanout] = new_chunk(token_);
    leaves.insert(leaf);
  }
  const GrownTree base = build(geometry_, nullptr, model, leaves);
  model[0] = new_chunk(token_);
  const GrownTree changed = build(geometry_, &base, model, {0});
  env_.clear_log();
  ASSERT_EQ(walk(*reader_, base.tree, changed.tree).size(), 1U);
  std::size_t reads = 0;
  for (const auto& op : env_.log()) reads += op.kind == sim::OpKind::kRead ? 1 : 0;
  EXPECT_GT(reads, 0U);
  EXPECT_LE(reads, 2U * (1 + 3)) << "a header and three nodes of each tree at most";
}

}  // namespace
}  // namespace blkrewind::store
