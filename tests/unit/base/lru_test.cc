#include "base/lru.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace blkrewind {
namespace {

TEST(Lru, KeepsWhatWasUsedLastUpToItsBound) {
  Lru<int, std::string> cache(10);
  const auto value = [](const char* text) { return std::make_shared<const std::string>(text); };
  cache.insert(1, value("one"), 4);
  cache.insert(2, value("two"), 4);
  EXPECT_EQ(*cache.find(1), "one");
  cache.insert(3, value("three"), 5);
  EXPECT_EQ(cache.find(2), nullptr) << "it was used the longest ago";
  EXPECT_EQ(*cache.find(1), "one");
  EXPECT_EQ(*cache.find(3), "three");
  EXPECT_EQ(cache.bytes(), 9U);
  cache.insert(1, value("uno"), 1);
  EXPECT_EQ(*cache.find(1), "uno");
  EXPECT_EQ(cache.bytes(), 6U);
  const auto held = cache.find(3);
  cache.insert(4, value("four"), 11);
  EXPECT_EQ(cache.find(4), nullptr) << "it is larger than the bound";
  cache.insert(5, value("five"), 10);
  EXPECT_EQ(cache.find(1), nullptr);
  EXPECT_EQ(*held, "three") << "a value that is in use stays";
  EXPECT_EQ(cache.bytes(), 10U);
}

}  // namespace
}  // namespace blkrewind
