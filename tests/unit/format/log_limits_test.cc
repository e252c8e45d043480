// Numbers that a journal may contain and never reach by counting.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

#include "format/log_codec.h"
#include "support/errors.h"
#include "unit/format/samples.h"

namespace blkrewind::format {
namespace {

constexpr std::uint64_t kLast = std::uint64_t{1} << 63;

class LogLimits : public testing::Test {
 protected:
  [[nodiscard]] Result<LogHeader> reread(const LogHeader& header) const {
    std::array<std::byte, kLogBlockBytes> block{};
    encode_log_header(secret_, header, block);
    return decode_log_header(secret_, header.store, block);
  }

  const DigestSecret secret_ = test_secret(1);
};

TEST_F(LogLimits, TheLargestNumbersAreRead) {
  const auto header = reread({.generation = kLast, .first_sequence = kLast});
  ASSERT_TRUE(header);
  EXPECT_EQ(header->generation, kLast);
  EXPECT_EQ(header->first_sequence, kLast);
}

// The record after number 2^64 - 1 would be number 0, and the tail would then imply that 2^64 - 1
// records are missing: after one append, the store could never be opened again.
TEST_F(LogLimits, AFirstSequenceThatWouldBeCountedRoundIsDamage) {
  for (const std::uint64_t first : {kLast + 1, std::numeric_limits<std::uint64_t>::max()}) {
    const auto header = reread({.first_sequence = first});
    ASSERT_FALSE(header) << first;
    EXPECT_EQ(header.error().code, Errc::kIntegrity);
    EXPECT_FALSE(words_of(header.error()).empty());
  }
}

TEST_F(LogLimits, AGenerationThatWouldBeCountedRoundIsDamage) {
  const auto header = reread({.generation = std::numeric_limits<std::uint64_t>::max()});
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, Errc::kIntegrity);
}

}  // namespace
}  // namespace blkrewind::format
