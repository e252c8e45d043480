// The messages of an identity check.
#pragma once

#include <string>
#include <string_view>

#include "host/identity.h"

namespace blkrewind::host {

[[nodiscard]] std::string then_and_now(std::string_view what, const std::string& then,
                                       const std::string& now);
[[nodiscard]] std::string backing_name(const DeviceIdentity& identity);
[[nodiscard]] const char* name_of(Layer layer);

[[nodiscard]] inline Judgement same(std::string why) {
  return {Verdict::kSame, std::move(why), false};
}
[[nodiscard]] inline Judgement weak(std::string why) {
  return {Verdict::kWeak, std::move(why), false};
}
[[nodiscard]] inline Judgement different(std::string why) {
  return {Verdict::kDifferent, std::move(why), false};
}
[[nodiscard]] inline Judgement contradictory(std::string why) {
  return {Verdict::kContradictory, std::move(why), false};
}

// Only its attachment in this boot, its place and its content identify the device.
[[nodiscard]] Judgement judge_nameless(const DeviceIdentity& then, const DeviceIdentity& now);

// A record of an older version: its layer is unknown, place and size are filled in.
[[nodiscard]] Judgement judge_old(const DeviceIdentity& then, DeviceKind kind,
                                  std::int64_t registered_at, const DeviceIdentity& now);

}  // namespace blkrewind::host
