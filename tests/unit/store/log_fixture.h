// A log of a store on the simulated machine, without a disk's record in it.
#pragma once

#include <gtest/gtest.h>

#include "store/home/local_home.h"
#include "store/log.h"
#include "unit/store/store_fixture.h"

namespace blkrewind::store {

// A process that has opened it.
struct LogProcess {
  static constexpr const char* kStore = "/store";
  static constexpr format::DiskNumber kDisk = 7;

  // Makes the store and the log.
  static void create(io::Env& env) {
    must(Store::create(env, kStore));
    LocalHome home(env, nullptr, LocalLayout(kStore));
    must(home.create_log(kDisk, key_of(home)));
  }
  static LogKey key_of(LocalHome& home) {
    const auto header = must(home.read_header());
    return {header.uuid, header.secret};
  }

  explicit LogProcess(io::Env& env)
      : home(env, nullptr, LocalLayout(kStore)),
        key(key_of(home)),
        log(must(home.open_log(kDisk, key)), kDisk, key) {}

  LocalHome home;
  const LogKey key;
  Log log;
};

class LogFixture : public testing::Test {
 protected:
  void SetUp() override { LogProcess::create(env_); }
  Log open() {
    const LogKey key = LogProcess::key_of(home_);
    return Log(must(home_.open_log(LogProcess::kDisk, key)), LogProcess::kDisk, key);
  }
  [[nodiscard]] std::string path() const { return layout_.log(LogProcess::kDisk); }

  static constexpr const char* kPath = LogProcess::kStore;
  sim::SimulatedEnv env_;
  const LocalLayout layout_{LogProcess::kStore};
  LocalHome home_{env_, nullptr, layout_};
};

}  // namespace blkrewind::store
