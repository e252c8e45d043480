#include "base/ids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace blkrewind {
namespace {

TEST(Ids, NewOnesAreValidDifferentAndUseTheWholeAlphabet) {
  std::set<std::string> seen;
  std::array<int, 36> count{};
  for (int i = 0; i < 2000; ++i) {
    const std::string id = new_id("s-");
    ASSERT_EQ(id.size(), 20U);
    ASSERT_TRUE(is_valid_id("s-", id)) << id;
    ASSERT_TRUE(seen.insert(id).second);
    for (const char c : id.substr(2)) {
      const std::size_t at =
          c <= '9' ? static_cast<std::size_t>(c - '0') : static_cast<std::size_t>(c - 'a' + 10);
      ASSERT_LT(at, count.size()) << id;
      ++count[at];
    }
  }
  // 1000 each are expected, with a deviation of 31.
  EXPECT_GT(*std::min_element(count.begin(), count.end()), 700);
  EXPECT_LT(*std::max_element(count.begin(), count.end()), 1300);
}

TEST(Ids, UuidIsVersion4InUpperCase) {
  const std::string uuid = new_request_id();
  ASSERT_EQ(uuid.size(), 36U);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      EXPECT_EQ(uuid[i], '-');
    } else {
      EXPECT_NE(std::string("0123456789ABCDEF").find(uuid[i]), std::string::npos) << uuid;
    }
  }
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89AB").find(uuid[19]), std::string::npos);
  EXPECT_NE(uuid, new_request_id());
}

TEST(Ids, ValidIsPrefixThenLettersAndDigits) {
  EXPECT_TRUE(is_valid_id("i-", "i-local"));
  EXPECT_TRUE(is_valid_id("i-", "i-Bp67acfmxazb4ph"));
  EXPECT_TRUE(is_valid_id("d-", "d-" + std::string(28, 'a')));
  EXPECT_FALSE(is_valid_id("d-", "d-" + std::string(29, 'a')));
  EXPECT_FALSE(is_valid_id("d-", "d-"));
  EXPECT_FALSE(is_valid_id("d-", "s-abc"));
  EXPECT_FALSE(is_valid_id("d-", "d-a.b"));
  EXPECT_FALSE(is_valid_id("d-", "d-a/b"));
  EXPECT_FALSE(is_valid_id("d-", std::string("d-a\0b", 5)));
  EXPECT_FALSE(is_valid_id("d-", ""));
}

TEST(Names, AcceptsWhatPeopleWrite) {
  for (const char* name : {"before", "2024-01-02T03:04", "a", "vor dem Aufräumen", "升级之前", "s",
                           "latest2", "snap-s-1", "d_1"}) {
    EXPECT_TRUE(is_valid_snapshot_name(name)) << name;
  }
  EXPECT_TRUE(is_valid_snapshot_name(std::string(128, 'n')));
}

TEST(Names, RefusesWhatWouldBeAmbiguousOrUnprintable) {
  for (const char* name : {"", "latest", "s-1", "d-1", "i-1", "a/b", "a\nb", "a\tb", "\x7F", " a",
                           "a ", "\xC2\x85" /* next line */, "\xE2\x80\xA8" /* line separator */,
                           "\xE2\x80\xAE" /* right-to-left override */}) {
    EXPECT_FALSE(is_valid_snapshot_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_snapshot_name(std::string(129, 'n')));
  EXPECT_FALSE(is_valid_snapshot_name(std::string("a\0b", 3)));
}

TEST(Names, RefusesIllFormedUtf8) {
  for (const char* name :
       {"\xC3", "a\x80", "\xC0\xAF" /* overlong */, "\xED\xA0\x80" /* surrogate */,
        "\xF4\x90\x80\x80" /* above U+10FFFF */, "\xFF", "\xE2\x82"}) {
    EXPECT_FALSE(is_valid_snapshot_name(name));
    EXPECT_FALSE(is_printable_text(name, 100));
  }
  EXPECT_TRUE(is_printable_text("a/b ", 4));
  EXPECT_FALSE(is_printable_text("a/b ", 3));
}

}  // namespace
}  // namespace blkrewind
