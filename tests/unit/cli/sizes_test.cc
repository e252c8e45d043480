#include "cli/sizes.h"

#include <gtest/gtest.h>

#include <limits>

#include "blkrewind/units.h"
#include "cli/times.h"
#include "support/errors.h"

namespace blkrewind::cli {
namespace {

TEST(ParseSize, TakesPowersOf1024InAnyLetterCase) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("65536").value(), 65536U);
  EXPECT_EQ(parse_size("17B").value(), 17U);
  for (const char* text : {"64KiB", "64kib", "64k", "64K", "64 KiB"}) {
    EXPECT_EQ(parse_size(text).value(), 64 * kKiB) << text;
  }
  EXPECT_EQ(parse_size("1MiB").value(), kMiB);
  EXPECT_EQ(parse_size("3G").value(), 3 * kGiB);
  EXPECT_EQ(parse_size("2tib").value(), 2 * kTiB);
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "k", "-1", "+1", "1.5k", "64kB", "64MB", "64KiBx", "64  KiB", " 64",
                           "0x10", "18446744073709551616", "16777216T"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, Errc::kInvalidArgument) << text;
  }
  EXPECT_EQ(parse_size("18446744073709551615").value(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_size("16777215T").value(), 16777215 * kTiB);
}

TEST(ParseChunkSize, TakesPowersOfTwoFrom4KiBTo1MiB) {
  EXPECT_EQ(parse_chunk_size("4KiB").value(), 4096U);
  EXPECT_EQ(parse_chunk_size("64k").value(), 65536U);
  EXPECT_EQ(parse_chunk_size("1MiB").value(), 1048576U);
  for (const char* text : {"2KiB", "2MiB", "48KiB", "0", "4097", "4GiB", "x"}) {
    const auto size = parse_chunk_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, Errc::kInvalidArgument) << text;
    EXPECT_FALSE(words_of(size.error()).empty()) << text;
  }
}

TEST(ParseTime, TakesIsoTimesDatesAndEpochSeconds) {
  constexpr std::int64_t kDay = 1373846400;  // date -u -d 2013-07-15 +%s
  EXPECT_EQ(parse_time("2013-07-15T00:00:00Z").value(), kDay);
  EXPECT_EQ(parse_time("2013-07-15 00:00:00Z").value(), kDay);
  EXPECT_EQ(parse_time("2013-07-15").value(), kDay);
  EXPECT_EQ(parse_time("@1373846400").value(), kDay);
  EXPECT_EQ(parse_time("2013-07-15T01:02Z").value(), kDay + 3720);
  EXPECT_EQ(parse_time("2013-07-15T08:00:00+08:00").value(), kDay);
  EXPECT_EQ(parse_time("2013-07-14T19:30:00-0430").value(), kDay);
  EXPECT_EQ(parse_time("1970-01-01T00:00:01Z").value(), 1);
  EXPECT_EQ(parse_time("1969-12-31").value(), -86400);
  EXPECT_EQ(parse_time("2024-02-29").value(), 1709164800);
}

TEST(ParseTime, RefusesWhatIsNoMoment) {
  for (const char* text : {"",
                           "now",
                           "2013",
                           "2013-7-15",
                           "2013-13-01",
                           "2023-02-29",
                           "2013-07-15T24:00:00Z",
                           "2013-07-15T00:60:00Z",
                           "2013-07-15T00:00:60Z",
                           "2013-07-15T00:00:00",
                           "2013-07-15Z",
                           "2013-07-15T00:00:00Zx",
                           "2013-07-15T00:00:00+8",
                           "2013-07-15T00:00:00+15:00",
                           "@",
                           "@1x",
                           "@99999999999999999999",
                           "@253402300800",
                           "@-62167219201",
                           "9999-12-31T23:00:00-02:00",
                           "1373846400"}) {
    const auto time = parse_time(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, Errc::kInvalidArgument) << text;
  }
}

TEST(FormatTime, IsWhatParseTimeReads) {
  EXPECT_EQ(format_time(1373846400), "2013-07-15T00:00:00Z");
  EXPECT_EQ(format_time(1709251199), "2024-02-29T23:59:59Z");
  EXPECT_EQ(format_time(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(parse_time("@253402300799").value()), "9999-12-31T23:59:59Z");
  for (const std::int64_t moment :
       {std::int64_t{1}, std::int64_t{951782400}, std::int64_t{4102444799}}) {
    EXPECT_EQ(parse_time(format_time(moment)).value(), moment);
  }
}

TEST(ParseYesNo, TakesBothAndNothingElse) {
  EXPECT_TRUE(parse_yes_no("yes").value());
  EXPECT_TRUE(parse_yes_no("TRUE").value());
  EXPECT_TRUE(parse_yes_no("1").value());
  EXPECT_FALSE(parse_yes_no("no").value());
  EXPECT_FALSE(parse_yes_no("0").value());
  EXPECT_FALSE(parse_yes_no("maybe"));
  EXPECT_FALSE(parse_yes_no(""));
}

TEST(FormatElapsed, HasAboutThreeDigits) {
  EXPECT_EQ(format_elapsed(0.0042), "0.004 s");
  EXPECT_EQ(format_elapsed(1.234), "1.23 s");
  EXPECT_EQ(format_elapsed(12.34), "12.3 s");
  EXPECT_EQ(format_elapsed(3723), "1:02:03");
  EXPECT_EQ(format_clock(7), "0:07");
  EXPECT_EQ(format_clock(754), "12:34");
  EXPECT_EQ(format_clock(1e300), "99:59:59");
  EXPECT_EQ(format_clock(std::numeric_limits<double>::quiet_NaN()), "0:00");
}

TEST(FormatRate, IsEmptyWithoutAMeasurement) {
  EXPECT_EQ(format_rate(kGiB, 2), "512 MiB/s");
  EXPECT_EQ(format_rate(0, 2), "");
  EXPECT_EQ(format_rate(kGiB, 0), "");
  EXPECT_EQ(format_rate(kGiB, 1e-300), "");
}

}  // namespace
}  // namespace blkrewind::cli
