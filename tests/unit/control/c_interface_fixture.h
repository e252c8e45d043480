// The C interface on image files in a temporary directory.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "blkrewind/blkrewind.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {

// What a call hands out, freed at the end.
template <class T, auto Free>
class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { Free(value_); }

  // For the call: what an earlier one handed out is freed.
  T** out() {
    reset();
    return &value_;
  }
  void reset() {
    Free(value_);
    value_ = nullptr;
  }
  [[nodiscard]] T* get() const { return value_; }
  T* operator->() const { return value_; }
  [[nodiscard]] bool is_null() const { return value_ == nullptr; }

 private:
  T* value_ = nullptr;
};

template <class T>
using Value = Owned<T, blkrewind_free>;
using CError = Owned<blkrewind_error, blkrewind_error_free>;
using CEngine = Owned<blkrewind_engine, blkrewind_close>;
using CCancel = std::unique_ptr<blkrewind_cancel, void (*)(blkrewind_cancel*)>;

inline testing::AssertionResult code_is(int expected, int code, const CError& error) {
  if (code == expected && blkrewind_error_code(error.get()) == code) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << blkrewind_code_name(code) << ": " << blkrewind_error_message(error.get()) << "; "
         << blkrewind_error_remedy(error.get());
}

class CInterface : public EngineTest {
 protected:
  void SetUp() override {
    image_ = make_image("disk.img", 'a');
    open_store(engine_);
  }

  void open_store(CEngine& engine) {
    const std::string store = directory_.file("store");
    blkrewind_open_options options = BLKREWIND_INIT(blkrewind_open_options);
    options.store = store.c_str();
    options.create = 1;
#ifdef __SANITIZE_THREAD__
    // As in concurrency_test.cc: the sanitizer does not see that a ring is unmapped.
    options.without_io_uring = 1;
#endif
    ASSERT_TRUE(ok(blkrewind_open(&options, engine.out(), error_.out())));
  }

  // The last call, whose error is error_.
  [[nodiscard]] testing::AssertionResult ok(int code) const {
    return code_is(BLKREWIND_OK, code, error_);
  }
  [[nodiscard]] testing::AssertionResult failed(int code, int expected) const {
    return code_is(expected, code, error_);
  }

  int take(const std::string& name) {
    blkrewind_snapshot_options options = BLKREWIND_INIT(blkrewind_snapshot_options);
    options.name = name.c_str();
    return blkrewind_snapshot(engine_.get(), image_.c_str(), &options, nullptr, nullptr,
                              error_.out());
  }

  // One line for each disk, and for each snapshot of it.
  std::vector<std::string> listed() {
    std::vector<std::string> lines;
    const auto visit = [](void* user, const blkrewind_disk_info* disk,
                          const blkrewind_snapshot_info* const* snapshots, std::size_t count) {
      auto& to = *static_cast<std::vector<std::string>*>(user);
      to.emplace_back(disk->path);
      for (std::size_t i = 0; i < count; ++i) to.emplace_back(snapshots[i]->name);
      return 0;
    };
    EXPECT_TRUE(ok(blkrewind_list(engine_.get(), nullptr, visit, &lines, error_.out())));
    return lines;
  }

  CEngine engine_;
  CError error_;
};

// Calls `progress` with each report.
class CMonitor {
 public:
  explicit CMonitor(std::function<int(const blkrewind_progress&)> progress,
                    blkrewind_cancel* cancel = nullptr)
      : progress_(std::move(progress)) {
    monitor_.progress = [](void* user, const blkrewind_progress* shown) {
      return static_cast<CMonitor*>(user)->progress_(*shown);
    };
    monitor_.user = this;
    monitor_.cancel = cancel;
  }
  CMonitor(const CMonitor&) = delete;
  CMonitor& operator=(const CMonitor&) = delete;

  [[nodiscard]] const blkrewind_monitor* get() const { return &monitor_; }

 private:
  std::function<int(const blkrewind_progress&)> progress_;
  blkrewind_monitor monitor_ = BLKREWIND_INIT(blkrewind_monitor);
};

// The last report of this phase.
inline bool ends(const blkrewind_progress& progress, const char* phase) {
  return std::strcmp(progress.phase, phase) == 0 && progress.done_bytes == progress.total_bytes;
}

}  // namespace blkrewind::test
