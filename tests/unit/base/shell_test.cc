#include "base/shell.h"

#include <gtest/gtest.h>

namespace blkrewind {
namespace {

TEST(ShellWord, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(shell_word("/dev/loop0"), "/dev/loop0");
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("$(x)"), "'$(x)'");
}

TEST(ShellWord, IsNeverAnOption) {
  EXPECT_EQ(shell_word("-x.img"), "./-x.img");
  EXPECT_EQ(shell_word("--a b"), "'./--a b'");
  EXPECT_EQ(shell_word("a-b"), "a-b");
}

}  // namespace
}  // namespace blkrewind
