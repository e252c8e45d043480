// What a snapshot of a device in use needs of the machine: who uses it, and a way to hold that
// still. An interface, so that a simulated machine can stand in its place.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "freeze/freeze.h"
#include "host/stack.h"

namespace blkrewind::freeze {

class Freezer {
 public:
  virtual ~Freezer() = default;
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;

  // host::stack_on(), host::supers_below()
  [[nodiscard]] virtual Result<host::Stack> stack_on(
      const std::vector<host::DeviceInfo>& devices) = 0;
  [[nodiscard]] virtual Result<std::vector<host::DeviceNumber>> supers_below(
      const std::string& directory) = 0;
  // Opens each; in the same order.
  [[nodiscard]] virtual Result<std::vector<Held>> open(
      const std::vector<host::MountedSuper>& supers) = 0;
  virtual void write_back(const std::vector<Held>& held, unsigned tries) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Freeze>> prepare(
      std::vector<Held> held, std::chrono::milliseconds limit) = 0;

 protected:
  Freezer() = default;
};

// Of the real machine. Any thread.
[[nodiscard]] Freezer& local_freezer();

}  // namespace blkrewind::freeze
