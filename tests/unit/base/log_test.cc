// Messages reach the sink that is set, and no other.
#include "base/log.h"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace blkrewind {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LogSinkTest : public testing::Test {
 protected:
  ~LogSinkTest() override {
    set_log_level(LogLevel::kOff);
    set_log_sink({});
  }
  void keep() {
    set_log_sink([this](LogLevel level, std::string_view text) {
      kept_.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(text));
    });
  }
  std::vector<std::string> kept_;
};

TEST_F(LogSinkTest, GetsEachMessageUpToTheLevel) {
  keep();
  set_log_level(LogLevel::kInfo);
  testing::internal::CaptureStderr();
  log::error("one");
  log::warning("two");
  log::info("three");
  log::debug("four");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_THAT(kept_, ElementsAre("1 one", "2 two", "3 three"));
}

TEST_F(LogSinkTest, WithoutOneMessagesGoToStandardError) {
  keep();
  set_log_level(LogLevel::kError);
  set_log_sink({});
  testing::internal::CaptureStderr();
  log::error("one");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("one"));
  EXPECT_THAT(kept_, IsEmpty());
}

TEST_F(LogSinkTest, WhatItThrowsOrLogsIsDropped) {
  int calls = 0;
  set_log_level(LogLevel::kDebug);
  set_log_sink([&](LogLevel /*level*/, std::string_view /*text*/) {
    ++calls;
    log::error("of the sink");
    throw std::runtime_error("no");
  });
  log::error("one");
  log::error("two");
  EXPECT_EQ(calls, 2);
}

// What a sink uses may be destroyed once another is set.
TEST_F(LogSinkTest, IsNotRunAnyMoreWhenAnotherIsSet) {
  set_log_sink([](LogLevel /*level*/, std::string_view /*text*/) {});
  set_log_level(LogLevel::kError);
  std::atomic<bool> stop{false};
  std::atomic<bool> wrong{false};
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i) {
    writers.emplace_back([&] {
      while (!stop) log::error("message");
    });
  }
  for (int round = 0; round < 200; ++round) {
    std::atomic<bool> set{true};
    set_log_sink([&](LogLevel /*level*/, std::string_view /*text*/) {
      if (!set) wrong = true;
    });
    std::this_thread::yield();
    set_log_sink([](LogLevel /*level*/, std::string_view /*text*/) {});
    set = false;
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_FALSE(wrong);
}

}  // namespace
}  // namespace blkrewind
