#include "support/machine_wide.h"

#include <atomic>
#include <stdexcept>

namespace blkrewind::test {
namespace {

std::atomic<bool> forbidden = false;

}  // namespace

void forbid_machine_wide() { forbidden = true; }

void check_machine_wide(const std::string& what) {
  if (forbidden) throw std::logic_error(what + ": this program's tests take no turns for it");
}

}  // namespace blkrewind::test
