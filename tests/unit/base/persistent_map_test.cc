// PersistentMap, compared with std::map; and that copies neither see changes nor cost anything.
#include "base/persistent_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "support/simulated_random.h"

namespace blkrewind {
namespace {

using Map = PersistentMap<int, int>;
using Model = std::map<int, int>;

template <class Range>
std::vector<std::pair<int, int>> elements(const Range& range) {
  std::vector<std::pair<int, int>> all;
  for (const auto& [key, value] : range) all.emplace_back(key, value);
  return all;
}

void expect_same(const Map& map, const Model& model) {
  ASSERT_EQ(map.size(), model.size());
  ASSERT_EQ(elements(map), elements(model));
  std::vector<std::pair<int, int>> backwards;
  for (auto at = map.rbegin(); at != map.rend(); ++at) backwards.push_back(*at);
  std::ranges::reverse(backwards);
  ASSERT_EQ(backwards, elements(model));
}

TEST(PersistentMap, IsWhatStdMapIsAndSoIsEveryCopy) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Random random(seed);
    Map map;
    Model model;
    std::vector<std::pair<Map, Model>> copies;
    const int keys = 1 << (seed % 10);
    for (int step = 0; step < 2000; ++step) {
      const int key = static_cast<int>(random.below(keys));
      if (random.below(3) != 0) {
        map.put(key, step);
        model[key] = step;
      } else {
        ASSERT_EQ(map.erase(key), model.erase(key) == 1);
      }
      const int other = static_cast<int>(random.below(keys + 2));
      ASSERT_EQ(map.contains(other), model.contains(other));
      const auto from = map.lower_bound(other);
      const auto expected = model.lower_bound(other);
      ASSERT_EQ(from == map.end(), expected == model.end());
      ASSERT_EQ(elements(std::ranges::subrange(from, map.end())),
                elements(std::ranges::subrange(expected, model.end())));
      ASSERT_EQ(map.find(other) == map.end(), !model.contains(other));
      if (step % 100 == 0) copies.emplace_back(map, model);
    }
    expect_same(map, model);
    for (const auto& [copy, then] : copies) expect_same(copy, then);
  }
}

// Counts the copies of values: each is a copied node.
struct Counted {
  explicit Counted(int* count) : copies(count) {}
  Counted(const Counted& other) : copies(other.copies) { ++*copies; }
  Counted(Counted&&) = default;
  Counted& operator=(const Counted& other) {
    copies = other.copies;
    ++*copies;
    return *this;
  }
  Counted& operator=(Counted&&) = default;
  ~Counted() = default;
  int* copies;
};

TEST(PersistentMap, AChangeCopiesThePathToItAndNothingWhereNoCopySharesIt) {
  int copies = 0;
  PersistentMap<int, Counted> map;
  for (int key = 0; key < (1 << 16); ++key) map.put(key, Counted(&copies));
  EXPECT_EQ(copies, 0) << "ascending keys, and no copy of the map";
  const auto copy = map;
  EXPECT_EQ(copies, 0);
  map.put(1 << 16, Counted(&copies));
  EXPECT_LE(copies, 25) << "AVL: 1.44 x 16, and a rotation";
  copies = 0;
  map.put(1 << 16, Counted(&copies));
  EXPECT_EQ(copies, 0) << "this path is its own now";
  EXPECT_EQ(copy.size(), std::size_t{1} << 16);
  EXPECT_FALSE(copy.contains(1 << 16));
}

TEST(PersistentMap, IsBalancedWhateverTheOrder) {
  Map map;
  for (int key = 0; key < 100'000; ++key) map.put(key % 2 == 0 ? key : -key, key);
  for (int key = 0; key < 100'000; key += 3) map.erase(key);
  // A path that were too long for its fixed array would overflow it; the sanitizers would see it.
  EXPECT_EQ(std::ranges::distance(map), static_cast<std::ptrdiff_t>(map.size()));
}

TEST(PersistentMap, CopiesAreReadWhileOthersAreChanged) {
  Map map;
  for (int key = 0; key < 1000; ++key) map.put(key, 0);
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 3; ++reader) {
    readers.emplace_back([copy = map] {
      for (int round = 0; round < 20; ++round) {
        Map own = copy;
        own.put(round, 1);
        for (const auto& [key, value] : copy) EXPECT_EQ(value, 0) << key;
      }
    });
  }
  for (int key = 0; key < 1000; ++key) map.put(key, 2);
  for (int key = 0; key < 1000; key += 2) map.erase(key);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(map.size(), 500U);
}

TEST(PersistentMap, EqualityIsThatOfTheElements) {
  Map one;
  Map other;
  for (int key = 0; key < 10; ++key) one.put(key, key);
  for (int key = 9; key >= 0; --key) other.put(key, key);
  EXPECT_EQ(one, other);
  other.put(3, 4);
  EXPECT_FALSE(one == other);
  other.erase(3);
  EXPECT_FALSE(one == other);
}

}  // namespace
}  // namespace blkrewind
