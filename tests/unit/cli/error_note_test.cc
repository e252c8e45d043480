// Errors that one process leaves for another.
#include "cli/mount/error_note.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace blkrewind::cli {
namespace {

Error corrupt() {
  Error error;
  error.code = Errc::kIntegrity;
  error.message = "chunk 7 is corrupt";
  error.extent = Extent{7 * 65536, 65536};
  error.context = {"reading \xff"};
  return error;
}

TEST(ErrorNotes, AreOfAnotherProcess) {
  auto note = ErrorNote::make();
  ASSERT_TRUE(note.has_value());
  EXPECT_FALSE(note->get().has_value());
  const pid_t child = ::fork();
  if (child == 0) {
    note->put(system_error(EIO, "an earlier one, with a longer message than that of the later"));
    note->put(corrupt());
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto got = note->get();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->code, Errc::kIntegrity);
  EXPECT_EQ(got->message, corrupt().message);
  EXPECT_EQ(got->extent, corrupt().extent);
  EXPECT_EQ(got->sys_errno, 0);
  EXPECT_EQ(got->context.size(), 1U);
}

TEST(ErrorNotes, NoneIsReadWhereNoneCanBe) {
  const ErrorNote nowhere;
  nowhere.put(corrupt());
  EXPECT_FALSE(nowhere.get().has_value());
  EXPECT_FALSE(unpack_error("").has_value());
  EXPECT_FALSE(unpack_error("[1]").has_value());
  auto note = ErrorNote::make();
  ASSERT_TRUE(note.has_value());
  note->put(corrupt());
  Error long_one = corrupt();
  long_one.message.assign(10000, 'x');
  note->put(long_one);
  EXPECT_FALSE(note->get().has_value()) << "an earlier one is not the last one";
}

}  // namespace
}  // namespace blkrewind::cli
