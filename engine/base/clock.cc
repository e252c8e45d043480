#include "base/clock.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "base/fd.h"

namespace blkrewind {
namespace {

std::int64_t seconds_of(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) return 0;
  return now.tv_sec;
}

// The file contains one line of 36 characters: proc(5).
std::string read_boot_id() {
  const UniqueFd file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return {};
  std::array<char, 64> text{};
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got <= 0) return {};
  const std::string id(text.data(), static_cast<std::size_t>(got));
  return id.substr(0, id.find('\n'));
}

// A value from a record may be any number.
std::optional<std::int64_t> difference(std::int64_t then, std::int64_t now) {
  std::int64_t seconds = 0;
  if (__builtin_sub_overflow(now, then, &seconds)) return std::nullopt;
  return seconds;
}

struct Passed {
  std::int64_t wall = 0;
  std::int64_t boottime = 0;
};

std::optional<Passed> passed(const Moment& then, const Moment& now) {
  if (!is_same_boot(then, now)) return std::nullopt;
  const auto wall = difference(then.wall, now.wall);
  const auto boottime = difference(then.boottime, now.boottime);
  // The clock is before `then` within one boot: a restored virtual machine, or another time
  // namespace.
  if (!wall || !boottime || *boottime < 0) return std::nullopt;
  return Passed{*wall, *boottime};
}

bool agree(const Passed& seconds) {
  const auto apart = difference(seconds.boottime, seconds.wall);
  return apart && *apart >= -kClocksAgreeSeconds && *apart <= kClocksAgreeSeconds;
}

}  // namespace

Moment moment_now() {
  static const std::string boot_id = read_boot_id();
  return {seconds_of(CLOCK_REALTIME), seconds_of(CLOCK_BOOTTIME), boot_id};
}

bool is_same_boot(const Moment& then, const Moment& now) {
  return !then.boot_id.empty() && then.boot_id == now.boot_id;
}

std::optional<std::int64_t> known_seconds(const Moment& then, const Moment& now) {
  const auto seconds = passed(then, now);
  if (!seconds || !agree(*seconds)) return std::nullopt;
  return seconds->boottime;
}

std::int64_t certain_seconds(const Moment& then, const Moment& now) {
  const auto seconds = passed(then, now);
  if (!seconds) return 0;
  if (agree(*seconds)) return seconds->boottime;
  return std::max<std::int64_t>(std::min(seconds->wall, seconds->boottime), 0);
}

}  // namespace blkrewind
