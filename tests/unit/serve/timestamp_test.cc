#include "cli/serve/timestamp.h"

#include <gtest/gtest.h>

namespace blkrewind::serve {
namespace {

TEST(Timestamp, IsSecondsSinceTheEpoch) {
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59Z"), -1);
  EXPECT_EQ(parse_timestamp("2016-02-23T12:46:24Z"), 1456231584);
  EXPECT_EQ(parse_timestamp("2024-02-29T23:59:59Z"), 1709251199);
  EXPECT_EQ(parse_timestamp("9999-12-31T23:59:59Z"), 253402300799);
}

TEST(Timestamp, IsStrict) {
  for (const char* text : {"",
                           "2016-02-23",
                           "2016-02-23T12:46:24",
                           "2016-02-23T12:46:24z",
                           "2016-02-23t12:46:24Z",
                           "2016-02-23 12:46:24Z",
                           "2016-2-23T12:46:24Z",
                           "2016-02-23T12:46Z",
                           " 2016-02-23T12:46:24Z",
                           "2016-02-23T12:46:24Z ",
                           "2016-02-23T12:46:24.0Z",
                           "2016-02-23T12:46:24+00:00",
                           "+016-02-23T12:46:24Z",
                           "2016-02-23T12:46:-1Z",
                           "2016-00-23T12:46:24Z",
                           "2016-13-23T12:46:24Z",
                           "2016-02-00T12:46:24Z",
                           "2016-02-30T12:46:24Z",
                           "2015-02-29T12:46:24Z",
                           "2016-02-23T24:00:00Z",
                           "2016-02-23T12:60:24Z",
                           "2016-12-31T23:59:60Z",
                           "2016/02/23T12:46:24Z",
                           "1456231584"}) {
    EXPECT_FALSE(parse_timestamp(text)) << text;
  }
}

}  // namespace
}  // namespace blkrewind::serve
