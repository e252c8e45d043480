#include "operations/online/scan_in_use.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "operations/online/hook.h"

namespace blkrewind {
namespace {

using Clock = std::chrono::steady_clock;

// What is left to be read is little.
constexpr std::uint64_t kLittleBytes = 16 * kMiB;
// syncfs(2) until one takes no time.
constexpr unsigned kWriteBacks = 5;
// How many windows may end because the limit has passed.
constexpr unsigned kLateMax = 3;
constexpr std::chrono::milliseconds kNap{20};

class ScanInUse {
 public:
  ScanInUse(const std::vector<std::unique_ptr<LiveCopy>>& copies, freeze::Freezer& freezer,
            const std::function<Result<Still>()>& look, const OnlineOptions& options,
            const Monitor& monitor)
      : copies_(copies), freezer_(freezer), look_(look), options_(options), monitor_(monitor) {}

  Result<InUseOutcome> run() {
    BLKREWIND_ASSIGN(const Still still, look_());
    if (!has_marks()) return run_without_marks(still);
    BLKREWIND_TRY(each([&](LiveCopy& copy) { return copy.read_all(monitor_); }));
    const Clock::time_point end = Clock::now() + options_.deadline;
    std::uint64_t before = UINT64_MAX;
    for (std::uint32_t passes = 1;; ++passes) {
      if (needs_window(still)) {
        freezer_.write_back(still.file_systems, kWriteBacks);
      } else if (quiet()) {
        BLKREWIND_TRY(each([](LiveCopy& copy) { return copy.check_marks(); }));
        return InUseOutcome{{TakenFrom::kQuiet, 0}, {}};
      }
      BLKREWIND_TRY(read_again());
      const std::uint64_t now = marked_bytes();
      const bool little = now <= kLittleBytes;
      const bool shrinks = now < before / 4 * 3;
      before = now;
      if (needs_window(still) && (little || !shrinks || passes >= options_.max_passes)) {
        BLKREWIND_ASSIGN(auto outcome, window());
        if (outcome) return std::move(*outcome);
      }
      BLKREWIND_TRY(go_on(end));
    }
  }

 private:
  enum class End : std::uint8_t { kStill, kWritten, kNoRoom, kLate, kFailed };

  [[nodiscard]] bool has_marks() const {
    return std::ranges::all_of(copies_, [](const auto& copy) { return copy->has_marks(); });
  }
  [[nodiscard]] bool needs_window(const Still& still) const {
    return !still.file_systems.empty() || !options_.hook.empty();
  }
  [[nodiscard]] bool quiet() const {
    return std::ranges::all_of(copies_, [](const auto& copy) { return copy->quiet(); });
  }
  [[nodiscard]] std::uint64_t marked_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& copy : copies_) bytes += copy->marked_bytes();
    return bytes;
  }
  Status each(const std::function<Status(LiveCopy&)>& act) const {
    for (const auto& copy : copies_) BLKREWIND_TRY(act(*copy));
    return {};
  }
  // All sets of marks are ended before anything is read, so that one that stays empty until the
  // last copy was read says that all devices are of one instant.
  Status read_again() const {
    for (const auto& copy : copies_) copy->flip();
    return each([&](LiveCopy& copy) { return copy.read_marked(monitor_); });
  }

  // Reads what is marked into memory, between two flips: no memory is allocated, nothing is logged.
  End hold(freeze::Freeze* frozen) const {
    for (const auto& copy : copies_) copy->flip();
    const auto goes_on = [frozen] { return frozen == nullptr || frozen->is_held(); };
    for (const auto& copy : copies_) {
      switch (copy->hold(goes_on)) {
        case LiveCopy::Hold::kDone:
          break;
        case LiveCopy::Hold::kNoRoom:
          return End::kNoRoom;
        case LiveCopy::Hold::kFailed:
          return End::kFailed;
        case LiveCopy::Hold::kStopped:
          return End::kLate;
      }
    }
    if (!quiet()) return End::kWritten;
    return goes_on() ? End::kStill : End::kLate;
  }

  // nullopt: something was written meanwhile, and it can be tried again.
  Result<std::optional<InUseOutcome>> window() {
    // Who uses the device may have changed while it was read.
    BLKREWIND_ASSIGN(Still still, look_());
    InUseOutcome outcome;
    outcome.frozen = still.mount_points();
    const bool all_freeze = still.others.empty() && !still.file_systems.empty();
    outcome.capture.from = all_freeze ? TakenFrom::kFrozen : TakenFrom::kQuiet;
    Hook hook(options_.hook);
    BLKREWIND_TRY(hook.freeze());
    if (hook.exists()) {
      freezer_.write_back(still.file_systems, kWriteBacks);
      if (has_marks()) BLKREWIND_TRY(read_again());
    }
    End end = End::kFailed;
    if (still.file_systems.empty()) {
      end = hold(nullptr);
    } else {
      BLKREWIND_ASSIGN(const auto freeze,
                       freezer_.prepare(std::move(still.file_systems), options_.freeze_limit));
      const Clock::time_point begin = Clock::now();
      Status frozen = freeze->freeze();
      if (frozen) end = hold(freeze.get());
      const Status thawed = freeze->thaw();
      outcome.capture.frozen_us = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count());
      if (!frozen) return fail(std::move(frozen).error());
      if (!thawed && end == End::kStill) end = End::kLate;
    }
    hook.thaw();
    BLKREWIND_TRY(each([](LiveCopy& copy) { return copy.check_marks(); }));
    if (end == End::kStill) {
      BLKREWIND_TRY(each([&](LiveCopy& copy) { return copy.take_held(monitor_); }));
      return std::optional(std::move(outcome));
    }
    if (end == End::kFailed) return fail(read_failure());
    if (end == End::kLate && ++late_ >= kLateMax) return fail(too_late());
    if (has_marks()) {
      BLKREWIND_TRY(each([&](LiveCopy& copy) { return copy.read_marked(monitor_); }));
    }
    return std::optional<InUseOutcome>{};
  }

  Result<InUseOutcome> run_without_marks(const Still& still) {
    std::uint64_t room = 0;
    std::uint64_t bytes = 0;
    for (const auto& copy : copies_) {
      room += copy->room_bytes();
      bytes += copy->source().geometry.device_bytes;
    }
    const std::string& path = copies_.front()->source().device->path();
    const Remedy help =
        Remedy("build blkrewind with its kernel program, and run it as root on a kernel with BTF")
            .or_else("take the snapshot while nothing uses the device");
    if (bytes > room) {
      return fail(Errc::kPrecondition,
                  "what is written to " + path + " while it is read cannot be marked here, and " +
                      format_bytes(bytes) + " are more than can be read while it is frozen",
                  help);
    }
    if (!still.others.empty()) {
      return fail(Errc::kPrecondition,
                  "what is written to " + path +
                      " while it is read cannot be marked here, and it is " +
                      still.others.front().what,
                  help);
    }
    if (still.file_systems.empty()) {
      return fail(Errc::kPrecondition,
                  "what is written to " + path +
                      " while it is read cannot be marked here, and nothing on it can be frozen",
                  help);
    }
    // Everything fits, and nobody is asked whether it was written to: only the limit can end it.
    while (true) {
      BLKREWIND_ASSIGN(auto outcome, window());
      if (outcome) return std::move(*outcome);
    }
  }

  Status go_on(Clock::time_point end) const {
    BLKREWIND_TRY(each([](LiveCopy& copy) { return copy.check_marks(); }));
    if (monitor_.cancel != nullptr && monitor_.cancel->load(std::memory_order_relaxed)) {
      return fail(Errc::kCancelled, "cancelled");
    }
    if (Clock::now() >= end) return fail(never_quiet());
    std::this_thread::sleep_for(kNap);
    return {};
  }

  [[nodiscard]] Error read_failure() const {
    const auto failed = std::ranges::find_if(
        copies_, [](const auto& copy) { return copy->failure().sys_errno != 0; });
    return (failed == copies_.end() ? copies_.front() : *failed)->failure();
  }

  [[nodiscard]] Error too_late() const {
    Error error;
    error.code = Errc::kBusy;
    error.message = "the file systems on " + copies_.front()->source().device->path() +
                    " could not be frozen and read within " +
                    std::to_string(options_.freeze_limit.count()) + " ms";
    return std::move(error).with_remedy(
        Remedy("try again when less is written to it")
            .or_else({Verb::kRepeat, "allow more time", {{Parameter::kFreezeLimit, {}}}}));
  }

  [[nodiscard]] Error never_quiet() const {
    Error error;
    error.code = Errc::kPrecondition;
    error.message = copies_.front()->source().device->path() +
                    " is written to all the time: " + format_bytes(marked_bytes()) +
                    " between the last two looks, and " +
                    std::to_string(options_.deadline.count()) + " s have passed";
    return std::move(error).with_remedy(
        Remedy("stop what writes to it for a moment")
            .or_else({Verb::kRepeat,
                      "name a program that makes it hold still",
                      {{Parameter::kHook, {}}}})
            .or_else({Verb::kRepeat, "try for longer", {{Parameter::kDeadline, {}}}}));
  }

  const std::vector<std::unique_ptr<LiveCopy>>& copies_;
  freeze::Freezer& freezer_;
  const std::function<Result<Still>()>& look_;
  const OnlineOptions& options_;
  const Monitor& monitor_;
  unsigned late_ = 0;
};

}  // namespace

Result<InUseOutcome> scan_in_use(const std::vector<std::unique_ptr<LiveCopy>>& copies,
                                 freeze::Freezer& freezer,
                                 const std::function<Result<Still>()>& look,
                                 const OnlineOptions& options, const Monitor& monitor) {
  return ScanInUse(copies, freezer, look, options, monitor).run();
}

}  // namespace blkrewind
