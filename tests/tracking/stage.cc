#include "tracking/stage.h"

#include <fcntl.h>
#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace blkrewind::tracking {
namespace {

// Without a table on the disk, so that writers cannot damage it.
int change_partitions(const std::string& disk, int operation) {
  blkpg_partition partition{};
  partition.start = static_cast<long long>(kPartition.offset);
  partition.length = static_cast<long long>(kPartition.length);
  partition.pno = 1;
  blkpg_ioctl_arg argument{};
  argument.op = operation;
  argument.datalen = sizeof partition;
  argument.data = &partition;
  return ::ioctl(open_node(disk, O_RDONLY).get(), BLKPG, &argument);
}

}  // namespace

void fail_with_errno(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

UniqueFd open_node(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) fail_with_errno("open " + path);
  return fd;
}

Stage::Stage(const std::string& folder, Where where, bool direct_io)
    : on_partition_(where == Where::kOnPartition) {
  if (where == Where::kOnZram) zram_ = test::ZramDevice::make(kDiskBytes);
  if (zram_) {
    std::ofstream(folder + "/zram") << zram_->path() << "\n";  // for scripts/track-stress
    return;
  }
  loop_ = std::make_unique<test::LoopDevice>(test::LoopDevice::make(
      folder + "/disk.img", kDiskBytes, 512, {.read_only = false, .direct_io = direct_io}));
  if (change_partitions(disk(), BLKPG_ADD_PARTITION) != 0) fail_with_errno("add a partition");
}

Stage::~Stage() {
  if (loop_) static_cast<void>(change_partitions(disk(), BLKPG_DEL_PARTITION));
}

void Stage::flush() const {
  for (const std::string& path : {partition(), disk()}) {
    const UniqueFd fd = open_node(path, O_RDONLY);
    // An earlier error is reported once (see writers.cc); memory itself has none.
    if (::fsync(fd.get()) != 0 && ::fsync(fd.get()) != 0) fail_with_errno("flush " + path);
  }
}

void Stage::read(std::byte* into) const {
  const UniqueFd fd = open_node(tracked(), O_RDONLY | O_DIRECT);
  for (std::uint64_t at = 0; at < bytes();) {
    const ssize_t got =
        ::pread(fd.get(), into + at, std::min(bytes() - at, 4 * kMiB), static_cast<off_t>(at));
    if (got <= 0) fail_with_errno("read " + tracked());
    at += static_cast<std::uint64_t>(got);
  }
}

}  // namespace blkrewind::tracking
