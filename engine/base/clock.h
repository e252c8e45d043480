// What time it is, by two clocks, and how much of it has passed.
//
// The wall clock can be set, in both directions and by any amount; it orders nothing and measures
// nothing by itself. CLOCK_BOOTTIME counts from the start of the machine, suspended time included,
// and is never set, but says nothing about another boot. A Moment has both, so that what was
// written down can be compared later, by another process or after a reboot.
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
  std::string boot_id;        // /proc/sys/kernel/random/boot_id; empty: not known

  friend bool operator==(const Moment&, const Moment&) = default;
};

[[nodiscard]] Moment moment_now();
// Seconds of CLOCK_BOOTTIME alone.
[[nodiscard]] std::int64_t boottime_now();

// Clocks that differ by more than this in what has passed do not agree: the wall clock was set.
inline constexpr std::int64_t kClocksAgreeSeconds = 60;

// Both are of one boot. False where that is not known.
[[nodiscard]] bool is_same_boot(const Moment& then, const Moment& now);

// The seconds from `then` to `now` where both are of one boot and both clocks say the same; else
// nullopt: what has passed is not known.
[[nodiscard]] std::optional<std::int64_t> known_seconds(const Moment& then, const Moment& now);

// The seconds that have certainly passed: what both clocks of one boot grant. 0 across a reboot.
[[nodiscard]] std::int64_t certain_seconds(const Moment& then, const Moment& now);

}  // namespace blkrewind
