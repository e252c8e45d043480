#include "cli/serve/percent.h"

#include <gtest/gtest.h>

namespace blkrewind::serve {
namespace {

std::string percent_encode(std::string_view text) {
  std::string result;
  append_percent_encoded(result, text);
  return result;
}

TEST(Percent, LeavesTheUnreserved) {
  const std::string unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  EXPECT_EQ(percent_encode(unreserved), unreserved);
  EXPECT_EQ(percent_decode(unreserved), unreserved);
}

TEST(Percent, EncodesTheRestInCapitals) {
  EXPECT_EQ(percent_encode(" *+/:=&%'()!"), "%20%2A%2B%2F%3A%3D%26%25%27%28%29%21");
  EXPECT_EQ(percent_encode("\xe4\xb8\xad"), "%E4%B8%AD");
  EXPECT_EQ(percent_encode(std::string_view("\0\xff", 2)), "%00%FF");
}

TEST(Percent, DecodesBothCasesAndThePlus) {
  EXPECT_EQ(percent_decode("a%2fb%2Fc"), "a/b/c");
  EXPECT_EQ(percent_decode("a+b%2B"), "a b+");
  EXPECT_EQ(percent_decode("%25%32%35"), "%25");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
}

TEST(Percent, RefusesHalfAnEscape) {
  for (const char* text : {"%", "%4", "a%", "%g0", "%0g", "%%41", "% 1", "%+1", "%-1"}) {
    EXPECT_FALSE(percent_decode(text)) << text;
  }
}

TEST(Percent, GivesEveryByteBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
}

}  // namespace
}  // namespace blkrewind::serve
