// What a Result or a Status came to, for EXPECT_TRUE and ASSERT_TRUE.
#pragma once

#include <gtest/gtest.h>

#include "blkrewind/error.h"

namespace blkrewind::test {

template <class T>
[[nodiscard]] testing::AssertionResult ok(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  const Error& error = result.error();
  return testing::AssertionFailure() << to_string(error.code) << " " << error.api_code << ": "
                                     << error.to_string() << "; " << error.hint;
}

template <class T>
[[nodiscard]] testing::AssertionResult failed(const Result<T>& result, Errc code) {
  if (result) return testing::AssertionFailure() << "did not fail";
  if (result.error().code == code) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "failed otherwise: " << ok(result).message();
}

}  // namespace blkrewind::test
