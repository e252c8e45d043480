// An Engine on image files in a temporary directory, and helpers to check refusals.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "blkrewind/engine.h"
#include "support/errors.h"
#include "support/read_file.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind::test {

// Refused by a rule of the API: nothing was changed, and there is a hint.
template <class T>
testing::AssertionResult refused(const Result<T>& result, const std::string& api_code) {
  if (result) return testing::AssertionFailure() << "was not refused";
  const Error& error = result.error();
  if (error.code != Errc::kPrecondition || api_of(error) != api_code || words_of(error).empty()) {
    return testing::AssertionFailure() << to_string(error.code) << " " << api_of(error) << " "
                                       << error.to_string() << "; " << words_of(error);
  }
  return testing::AssertionSuccess();
}

class EngineTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kImageBytes = 1 << 20;

  void SetUp() override {
    engine_ = open();
    image_ = make_image("disk.img", 'a');
  }

  std::unique_ptr<Engine> open(bool accept_available = false) {
    OpenOptions options;
    options.store = directory_.file("store");
    options.create = true;
    options.accept_available_disks = accept_available;
    auto engine = Engine::open(options);
    if (!engine) throw std::runtime_error(engine.error().to_string());
    return std::make_unique<Engine>(std::move(*engine));
  }

  std::string make_image(const std::string& name, char fill) {
    const std::string path = directory_.file(name);
    std::ofstream file(path, std::ios::binary);
    file << std::string(kImageBytes, fill);
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
    return path;
  }

  static void fill(const std::string& path, std::uint64_t offset, std::size_t length, char byte) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << std::string(length, byte);
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
  }

  std::string take(const std::string& target, const std::string& name = {}) {
    SnapshotOptions options;
    options.name = name;
    auto receipt = engine_->snapshot(target, options);
    if (!receipt) throw std::runtime_error(receipt.error().to_string());
    return receipt->snapshot_id;
  }

  TempDir directory_;
  std::unique_ptr<Engine> engine_;
  std::string image_;
};

// A disk with one snapshot "before", changed since then.
class EngineRules : public EngineTest {
 protected:
  // The image is changed after the snapshot "before", so that a rollback would be visible.
  void SetUp() override {
    EngineTest::SetUp();
    snapshot_ = take(image_, "before");
    fill(image_, 65536, 4096, 'b');
    changed_ = read_file(image_);
    disk_ = engine_->disks()->front().id;
  }

  void expect_refused(const std::string& code, const std::string& hint) {
    const auto result = engine_->rollback(image_, "before");
    ASSERT_TRUE(refused(result, code));
    EXPECT_THAT(words_of(result.error()), testing::HasSubstr(hint));
    RollbackOptions dry;
    dry.dry_run = true;
    EXPECT_TRUE(refused(engine_->rollback(image_, "before", dry), code)) << "and so is a dry run";
    EXPECT_EQ(read_file(image_), changed_);
  }
  void expect_passes() {
    ASSERT_TRUE(ok(engine_->rollback(image_, "before")));
    EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
  }

  // Runs `operation` in a separate process, on a separate Engine, and kills that process when it
  // reports the end of `phase`. False if it finished before.
  [[nodiscard]] bool killed_in(const char* phase,
                               const std::function<void(Engine&, const Monitor&)>& operation) {
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
      auto engine = open();
      Monitor monitor;
      monitor.progress = [&](const Progress& progress) {
        if (std::string_view(progress.phase) == phase &&
            progress.done_bytes == progress.total_bytes) {
          kill(getpid(), SIGKILL);
        }
      };
      operation(*engine, monitor);
      _exit(1);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status);
  }

  std::string snapshot_;
  std::string disk_;
  std::string changed_;
};

}  // namespace blkrewind::test
