// The tests of this program use image files alone, and run beside all others.
#include "support/machine_wide.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "support/loop_device.h"

namespace blkrewind::test {
namespace {

const bool forbidden = [] {
  forbid_machine_wide();
  return true;
}();

TEST(MachineWide, IsForbiddenInThisProgram) {
  ASSERT_TRUE(forbidden);
  const TempDir directory;
  EXPECT_THROW(static_cast<void>(have_root_and_loop()), std::logic_error);
  EXPECT_THROW(static_cast<void>(LoopDevice::make(directory.file("backing"), 4096)),
               std::logic_error);
  EXPECT_THROW(Mount("tmpfs", directory.path(), "tmpfs"), std::logic_error);
  EXPECT_THROW(run_program({"losetup", "--list"}), std::logic_error);
}

}  // namespace
}  // namespace blkrewind::test
