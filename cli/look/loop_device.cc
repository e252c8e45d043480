#include "cli/look/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "blkrewind/text.h"

namespace blkrewind::cli {
namespace {

constexpr const char* kPrefix = "blkrewind:";
constexpr std::uint64_t kReadAheadBytes = 256 * kKiB;

// Through the page cache, the loop driver of older kernels (6.1 is one) answers a read of which it
// could get a part only with zeroes, and reports no error. It leaves direct I/O away silently.
Status check_direct(const LoopDevice& loop) {
  loop_info64 info = {};
  if (ioctl(loop.file.get(), LOOP_GET_STATUS64, &info) != 0) {
    return fail(system_error(errno, "cannot look at " + loop.path));
  }
  if ((info.lo_flags & LO_FLAGS_DIRECT_IO) != 0) return {};
  return fail(Errc::kUnsupported, loop.path +
                                      " reads through the page cache, where this kernel's "
                                      "loop driver may hide errors");
}

// What is read ahead may become one folio of the page cache, which is read in full or not at all:
// so much on each side of a corrupt chunk can be lost with it. Sequential reads are at 0.6 of their
// speed with 4 MiB, and with the kernel's 128 KiB at a little more than half of it.
void read_ahead_of_loop(int number) {
  std::ofstream("/sys/block/loop" + std::to_string(number) + "/queue/read_ahead_kb")
      << kReadAheadBytes / kKiB;
}

// The loop device with this number, attached; without one if another process was faster.
Result<LoopDevice> try_attach(int number, int image, Extent bytes, const LoopLabel& label) {
  LoopDevice loop{.path = "/dev/loop" + std::to_string(number), .file = {}};
  loop.file.reset(open(loop.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!loop.file.valid()) return fail(system_error(errno, "cannot open " + loop.path));
  loop_config config = {};
  config.fd = static_cast<__u32>(image);
  config.info.lo_offset = bytes.offset;
  config.info.lo_sizelimit = bytes.length;
  config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
  label_text(label).copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
  if (ioctl(loop.file.get(), LOOP_CONFIGURE, &config) == 0) {
    BLKREWIND_TRY(check_direct(loop));
    read_ahead_of_loop(number);
    return loop;
  }
  if (errno == EBUSY) return LoopDevice{};
  return fail(system_error(errno, "cannot attach " + loop.path));
}

}  // namespace

std::string label_text(const LoopLabel& label) {
  return kPrefix + label.snapshot_id + ":" + std::to_string(label.partition);
}

bool parse_label(const std::string& text, LoopLabel& label) {
  const std::size_t colon = text.rfind(':');
  if (!text.starts_with(kPrefix) || colon < std::strlen(kPrefix)) return false;
  label.snapshot_id = text.substr(std::strlen(kPrefix), colon - std::strlen(kPrefix));
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data() + colon + 1, end, label.partition);
  return error == std::errc{} && last == end && is_valid_id("s-", label.snapshot_id);
}

Result<LoopDevice> attach_loop(int image, Extent bytes, const LoopLabel& label) {
  const OwnedFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) return fail(system_error(errno, "cannot open /dev/loop-control"));
  constexpr int kTries = 100;  // other processes may take the free one first
  for (int i = 0; i < kTries; ++i) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail(system_error(errno, "cannot find a free loop device"));
    BLKREWIND_ASSIGN(LoopDevice loop, try_attach(number, image, bytes, label));
    if (loop.file.valid()) return loop;
  }
  return fail(Errc::kBusy, "other processes take every loop device that is free", "try again");
}

Result<std::vector<LabelledLoop>> labelled_loops() {
  std::vector<LabelledLoop> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("loop") || !std::filesystem::exists(entry.path() / "loop", error)) {
      continue;
    }
    LabelledLoop loop;
    loop.path = "/dev/" + name;
    const OwnedFd file(open(loop.path.c_str(), O_RDONLY | O_CLOEXEC));
    loop_info64 info = {};
    struct stat status = {};
    // ENXIO: detached meanwhile.
    if (!file.valid() || ioctl(file.get(), LOOP_GET_STATUS64, &info) != 0 ||
        fstat(file.get(), &status) != 0) {
      continue;
    }
    const char* const text = reinterpret_cast<const char*>(info.lo_file_name);
    const std::string label(text, strnlen(text, LO_NAME_SIZE));
    if ((info.lo_flags & LO_FLAGS_READ_ONLY) == 0 || !parse_label(label, loop.label)) continue;
    loop.device = status.st_rdev;
    found.push_back(std::move(loop));
  }
  if (error) {
    return fail(system_error(error.value(), "cannot list the loop devices in /sys/block"));
  }
  std::ranges::sort(found, {}, &LabelledLoop::path);
  return found;
}

}  // namespace blkrewind::cli
