#include "blkrewind/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "support/errors.h"

namespace blkrewind {
namespace {

TEST(Errc, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Errc::kInternal); ++code) {
    EXPECT_TRUE(names.insert(to_string(static_cast<Errc>(code))).second) << code;
  }
  EXPECT_EQ(to_string(Errc::kIntegrity), "Integrity");
}

TEST(SystemError, MapsWhatTheUserCanActOn) {
  EXPECT_EQ(system_error(ENOSPC, "").code, Errc::kNoSpace);
  EXPECT_EQ(system_error(EDQUOT, "").code, Errc::kNoSpace);
  EXPECT_EQ(system_error(ENOENT, "").code, Errc::kNotFound);
  EXPECT_EQ(system_error(EBUSY, "").code, Errc::kBusy);
  EXPECT_EQ(system_error(EIO, "").code, Errc::kIo);
  EXPECT_EQ(system_error(EIO, "").sys_errno, EIO);
  EXPECT_FALSE(words_of(system_error(ENOSPC, "")).empty());
  EXPECT_FALSE(words_of(system_error(EACCES, "")).empty());
}

TEST(Error, TellsWhatWhereWhyAndOnWhichRoad) {
  const Error error = system_error(EIO, "cannot read /dev/loop0")
                          .at({65536, 4096})
                          .with_remedy("replace the disk")
                          .while_doing("scanning")
                          .while_doing("taking snapshot s-1");
  EXPECT_EQ(error.to_string(),
            "cannot read /dev/loop0 [offset 65536, length 4096]: Input/output error (errno 5), "
            "while scanning, while taking snapshot s-1");
  EXPECT_EQ(words_of(error), "replace the disk");
  Error plain;
  plain.message = "plain";
  EXPECT_EQ(plain.to_string(), "plain");
}

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Errc::kInvalidArgument, "odd", "double it");
  return value / 2;
}

Result<int> quarter(int value) {
  BLKREWIND_ASSIGN(const int once, half(value));
  BLKREWIND_ASSIGN(int twice, half(once));
  BLKREWIND_ASSIGN(twice, half(2 * twice));
  return twice;
}

Status even(int value) {
  BLKREWIND_TRY(half(value));
  return {};
}

TEST(Macros, HandTheErrorOnAsItIs) {
  EXPECT_EQ(*quarter(8), 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kInvalidArgument);
  EXPECT_EQ(failed.error().message, "odd");
  EXPECT_EQ(words_of(failed.error()), "double it");
  EXPECT_TRUE(even(2));
  EXPECT_FALSE(even(3));
}

}  // namespace
}  // namespace blkrewind
