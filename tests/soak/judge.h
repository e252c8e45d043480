// The checks after operations have ended, in whatever way. Throws Broken if one fails.
#pragma once

#include <deque>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "soak/content.h"
#include "soak/device.h"
#include "soak/expected.h"
#include "soak/program.h"

namespace blkrewind::soak {

// A violated promise.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Judge {
 public:
  // `contents`: the directory of saved contents. Keeps references to all.
  Judge(Expected& expected, const std::deque<Device>& devices, std::string contents)
      : expected_(expected), devices_(devices), contents_(std::move(contents)) {}

  // Determines the result of the attempts from `list`, the output of list --json, and compares all
  // disks. `ended`: one for each attempt. Changes only `expected`.
  void settle(const nlohmann::json& list, const std::vector<Ended>& ended);
  // No operation is running: list, devices and expectations agree.
  void compare(const nlohmann::json& list);

  [[nodiscard]] Content content(const std::string& name) const {
    return Content::load(contents_, name);
  }
  [[nodiscard]] static const nlohmann::json& disk_of(const nlohmann::json& list,
                                                     const std::string& id);

 private:
  struct Seen;
  void settle_snapshot(const Attempt& attempt, const Ended& ended, Seen& seen);
  void settle_rollback(const Attempt& attempt, const Ended& ended, Seen& seen);
  void settle_pending(const Attempt& attempt, const Ended& ended, Seen& seen);
  void settle_delete(const Attempt& attempt, const Ended& ended, Seen& seen);
  void begin_pending(const Attempt& attempt, const Ended& ended, Seen& seen);
  void compare_disk(const Disk& disk, const Device& device, const nlohmann::json& seen);
  void compare_roots(Disk& disk, const nlohmann::json& seen);
  void need_between(const Content& now, const Pending& pending, const std::string& path) const;
  // "rollback: not begun": the progress of a killed operation.
  void count(const Attempt& attempt, const Ended& ended, const std::string& phase);

  Expected& expected_;
  const std::deque<Device>& devices_;
  std::string contents_;
};

}  // namespace blkrewind::soak
