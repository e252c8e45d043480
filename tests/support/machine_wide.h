// Loop devices and mounts belong to the whole machine: the tests that use them take turns. A
// program whose tests run beside all others says here that it uses none, and is held to it.
#pragma once

#include <string>

namespace blkrewind::test {

// From now on this process makes no loop device and no mount by the helpers of loop_device.h.
void forbid_machine_wide();

// Throws std::logic_error where it was forbidden. `what`: was to be done.
void check_machine_wide(const std::string& what);

}  // namespace blkrewind::test
