#include "freeze/freezer.h"

#include <utility>

namespace blkrewind::freeze {
namespace {

class LocalFreezer final : public Freezer {
 public:
  Result<host::Stack> stack_on(const std::vector<host::DeviceInfo>& devices) override {
    return host::stack_on(devices);
  }
  Result<std::vector<host::DeviceNumber>> supers_below(const std::string& directory) override {
    return host::supers_below(directory);
  }
  Result<std::vector<Held>> open(const std::vector<host::MountedSuper>& supers) override {
    std::vector<Held> held;
    for (const host::MountedSuper& super : supers) {
      BLKREWIND_ASSIGN(UniqueFd root, host::open_super(super));
      held.push_back({super, std::move(root)});
    }
    return held;
  }
  void write_back(const std::vector<Held>& held, unsigned tries) override {
    freeze::write_back(held, tries);
  }
  Result<std::unique_ptr<Freeze>> prepare(std::vector<Held> held,
                                          std::chrono::milliseconds limit) override {
    return freeze::prepare(std::move(held), limit);
  }
};

}  // namespace

Freezer& local_freezer() {
  static LocalFreezer freezer;
  return freezer;
}

}  // namespace blkrewind::freeze
