// The chunk tree: a new version of it, and the difference of two. Nodes are really written to and
// read from a store (in memory where there is /dev/shm).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "bench/fake_entries.h"
#include "bench/scratch_trees.h"
#include "store/segment_writer.h"
#include "store/tree_builder.h"
#include "store/tree_diff.h"
#include "store/tree_reader.h"

namespace blkrewind::bench {
namespace {

constexpr std::int64_t kFewestChunks = 1 << 10;
constexpr std::int64_t kMostChunks = 1 << 22;  // 256 GiB in chunks of 64 KiB

// The trees of all benchmarks: a big one takes a second to make.
ScratchTrees& scratch() {
  static ScratchTrees trees;
  return trees;
}

const store::Tree& base_tree(std::int64_t chunks) {
  static std::map<std::int64_t, store::Tree> trees;
  const auto found = trees.find(chunks);
  if (found != trees.end()) return found->second;
  return trees[chunks] = scratch().full_tree(static_cast<std::uint64_t>(chunks), 1);
}

// A snapshot after 1 % of the leaves changed. Items are leaves.
void update_tree(benchmark::State& state) {
  const store::Tree& base = base_tree(state.range(0));
  const std::uint64_t leaves = base.geometry.leaf_count();
  const auto changed = random_chunks(leaves, std::max<std::uint64_t>(1, leaves / 100), 2);
  Random random(3);
  std::map<std::uint64_t, format::Entries> entries;
  for (const std::uint64_t leaf : changed) entries[leaf] = fake_leaf(random, leaf).entries;

  for (auto _ : state) {
    // Its segments are removed with the writer at the end of the round.
    auto writer = must(scratch().history().make_writer());
    store::TreeReader reader(scratch().history().files(), scratch().queue(),
                             scratch().history().secret(), writer.get());
    store::TreeCursor cursor(reader, base);
    store::TreeBuilder builder(base.geometry, &cursor, *writer, scratch().queue());
    for (const auto& [leaf, fresh] : entries) must(builder.put(leaf, fresh));
    benchmark::DoNotOptimize(must(builder.finish()));
    must(writer->seal(scratch().queue()));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(changed.size()));
}
BENCHMARK(update_tree)
    ->RangeMultiplier(16)
    ->Range(kFewestChunks, kMostChunks)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

// Items are differing chunks.
void count_differences(benchmark::State& state, const store::Tree& from, const store::Tree& to,
                       std::uint64_t expected) {
  for (auto _ : state) {
    store::TreeReader reader(scratch().history().files(), scratch().queue(),
                             scratch().history().secret());
    store::TreeDiff diff(reader, from, to);
    std::uint64_t found = 0;
    while (must(diff.next())) ++found;
    if (found != expected) {
      state.SkipWithError("the difference is not what was changed");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(expected));
}

// The tree grows 4096-fold, the difference stays the same: the time must not depend on the size of
// the tree. (It grows with the height, by one node per level, and until each difference is below a
// node of its own.)
void diff_growing_tree(benchmark::State& state) {
  constexpr std::uint64_t kDifferences = 16;
  const store::Tree& base = base_tree(state.range(0));
  const auto changed = spread_chunks(static_cast<std::uint64_t>(state.range(0)), kDifferences);
  const store::Tree other = scratch().changed_tree(base, changed, 4);
  count_differences(state, base, other, kDifferences);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(diff_growing_tree)
    ->RangeMultiplier(4)
    ->Range(kFewestChunks, kMostChunks)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime()
    ->Complexity(benchmark::oLogN);

// The tree stays the same, the difference grows: the time is proportional to it.
void diff_growing_difference(benchmark::State& state) {
  const store::Tree& base = base_tree(kMostChunks);
  const auto count = static_cast<std::uint64_t>(state.range(0));
  const store::Tree other = scratch().changed_tree(base, random_chunks(kMostChunks, count, 5), 6);
  count_differences(state, base, other, count);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(diff_growing_difference)
    ->RangeMultiplier(8)
    ->Range(1, 1 << 15)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime()
    ->Complexity(benchmark::oN);

}  // namespace
}  // namespace blkrewind::bench
