// A catalog in a temporary directory.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "control/catalog/catalog.h"
#include "support/errors.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind::control {

class CatalogTest : public testing::Test {
 protected:
  // If this fails, the test has failed; it continues with a catalog without rows.
  std::unique_ptr<Catalog> open() {
    auto catalog = Catalog::open(path_);
    if (catalog) return std::move(*catalog);
    ADD_FAILURE() << catalog.error().to_string();
    return std::move(Catalog::open(":memory:").value());
  }
  Error open_error() {
    auto catalog = Catalog::open(path_);
    EXPECT_FALSE(catalog);
    return catalog ? Error{} : catalog.error();
  }

  test::TempDir directory_;
  std::string path_ = directory_.file("catalog.db");
};

using test::ok;

inline testing::AssertionResult refused_with(const Status& status, const std::string& api_code) {
  if (status) return testing::AssertionFailure() << "was not refused";
  if (api_of(status.error()) == api_code) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << api_of(status.error()) << ": " << status.error().to_string();
}

}  // namespace blkrewind::control
