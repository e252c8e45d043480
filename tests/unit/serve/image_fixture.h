// A real Engine over an image file with one snapshot, changed since.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "blkrewind/engine.h"
#include "cli/serve/metrics.h"
#include "support/read_file.h"
#include "support/temp_dir.h"

namespace blkrewind::serve {

class ImageTest : public testing::Test {
 protected:
  static constexpr std::size_t kImageBytes = 1 << 20;

  void SetUp() override {
    write('a');
    engine_ = open();
    ASSERT_TRUE(engine_);
    const auto receipt = engine_->snapshot(image_);
    ASSERT_TRUE(receipt) << receipt.error().to_string();
    disk_ = receipt->disk_id;
    snapshot_ = receipt->snapshot_id;
    write('b');
  }

  [[nodiscard]] std::unique_ptr<Engine> open() const {
    auto engine = Engine::open({.store = directory_.file("store"), .create = true});
    return engine ? std::make_unique<Engine>(std::move(*engine)) : nullptr;
  }
  void write(char fill) const {
    std::ofstream(image_, std::ios::binary) << std::string(kImageBytes, fill);
  }
  [[nodiscard]] bool is_restored() const {
    return test::read_file(image_) == std::string(kImageBytes, 'a');
  }

  test::TempDir directory_;
  std::string image_ = directory_.file("disk.img");
  std::unique_ptr<Engine> engine_;
  std::string disk_;
  std::string snapshot_;
  Metrics metrics_;
};

}  // namespace blkrewind::serve
