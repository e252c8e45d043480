// What is so for image files (files/cli_values_test.cc), and otherwise or as well for loop devices.
#ifdef BLKREWIND_PROGRAM

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

class CliDevices : public DeviceSystem {
 protected:
  [[nodiscard]] static std::uint64_t blocks_of(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
};

TEST_F(CliDevices, APreallocatedImageBelowALoopDeviceKeepsItsBlocks) {
  const std::string full = file("full.img");
  run_program({"fallocate", "-l", std::to_string(8 * kMiB), full});
  const std::uint64_t blocks = blocks_of(full);
  const LoopDevice loop = LoopDevice::make(full, 0);
  ask({"snapshot", loop.path(), "--name", "s"});
  write_noise(loop.path(), kMiB, 2 * kMiB, 3);
  ask({"rollback", loop.path(), "s"});
  EXPECT_EQ(blocks_of(full), blocks);
}

// A file of these bytes is refused.
TEST_F(CliDevices, BytesOfAnotherImageFormatAreNoReasonToRefuseADevice) {
  const std::string image = file("disk.img");
  write_noise(image, 0, kMiB, 7);
  const std::string mark = "QFI\xfb";
  {
    const UniqueFd fd(::open(image.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), mark.data(), mark.size(), 0), static_cast<ssize_t>(mark.size()));
  }
  const LoopDevice loop = LoopDevice::make(image, 0);
  ask({"snapshot", loop.path()});
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
