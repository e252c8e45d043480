// The current time by two clocks, and the time that has passed between two moments.
//
// The wall clock can be set, in both directions and by any amount, so it is used neither to order
// nor to measure on its own. CLOCK_BOOTTIME counts from the boot of the machine, including
// suspended time, and cannot be set, but it is not comparable across boots. A Moment holds both, so
// that a recorded moment can be compared later, by another process or after a reboot.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace blkrewind {

inline constexpr std::int64_t kNanosecondsInSecond = 1'000'000'000;

struct Moment {
  std::int64_t wall = 0;      // seconds since the epoch
  std::int64_t boottime = 0;  // seconds of CLOCK_BOOTTIME
  std::string boot_id;        // /proc/sys/kernel/random/boot_id; empty: unknown

  friend bool operator==(const Moment&, const Moment&) = default;
};

[[nodiscard]] Moment moment_now();

// If the two clocks differ by more than this in the time that has passed, the wall clock was set.
inline constexpr std::int64_t kClocksAgreeSeconds = 60;

// Both moments are in the same boot. False if that is unknown.
[[nodiscard]] bool is_same_boot(const Moment& then, const Moment& now);

// The seconds from `then` to `now` if both are in the same boot and both clocks agree; otherwise
// nullopt: the time that has passed is unknown.
[[nodiscard]] std::optional<std::int64_t> known_seconds(const Moment& then, const Moment& now);

// The seconds that have certainly passed: the lesser of the two clocks within one boot. 0 across a
// reboot.
[[nodiscard]] std::int64_t certain_seconds(const Moment& then, const Moment& now);

}  // namespace blkrewind
