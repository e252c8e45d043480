// No exception crosses a public call, whatever throws below it.
#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

class PublicCalls : public EngineTest {
 protected:
  // A comparison that finds a difference, and whose callback throws `thrown`.
  template <class Thrown>
  Error diff_that_throws(const Thrown& thrown) {
    take(image_, "before");
    fill(image_, 0, 1, 'z');
    const auto visit = [&](Extent /*extent*/) { throw thrown; };
    const auto done = engine_->diff(image_, "before", std::nullopt, visit);
    return done ? Error{} : done.error();
  }
};

TEST_F(PublicCalls, WhatACallbackThrowsIsAnError) {
  const Error error = diff_that_throws(std::runtime_error("enough"));
  EXPECT_EQ(error.code, Errc::kInternal);
  EXPECT_THAT(error.message, HasSubstr("enough"));
}

TEST_F(PublicCalls, WhatIsNoExceptionObjectIsAnErrorToo) {
  EXPECT_EQ(diff_that_throws(7).code, Errc::kInternal);
}

TEST_F(PublicCalls, MemoryThatRanOutIsNamed) {
  const Error error = diff_that_throws(std::bad_alloc());
  EXPECT_EQ(error.code, Errc::kIo);
  EXPECT_EQ(error.sys_errno, ENOMEM);
}

TEST_F(PublicCalls, ALimitOfTheProcessKeepsItsErrno) {
  const Error error =
      diff_that_throws(std::system_error(EAGAIN, std::generic_category(), "no more threads"));
  EXPECT_EQ(error.sys_errno, EAGAIN);
}

TEST_F(PublicCalls, AnEngineThatWasMovedFromSaysSo) {
  const Engine taken = std::move(*engine_);
  const auto disks = engine_->disks();  // NOLINT(bugprone-use-after-move): that is the test
  ASSERT_FALSE(disks);
  EXPECT_EQ(disks.error().code, Errc::kInvalidArgument);
  EXPECT_THAT(disks.error().message, HasSubstr("moved from"));
  EXPECT_EQ(engine_->detach_disk(image_).error().code, Errc::kInvalidArgument);
}

}  // namespace
}  // namespace blkrewind::test
