#include "host/file_attributes.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace blkrewind::host {

WriteBar write_bar(int fd, const std::string& path) {
  struct statx status = {};
  std::uint64_t attributes = 0;
  if (::statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0) {
    attributes = status.stx_attributes & status.stx_attributes_mask;
  }
  int flags = 0;  // for file systems that do not report it by statx(2)
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) flags = 0;
  if ((attributes & STATX_ATTR_IMMUTABLE) != 0 || (flags & FS_IMMUTABLE_FL) != 0) {
    return {"is immutable", run_program("let it be written", "chattr -i", {path})};
  }
  if ((attributes & STATX_ATTR_APPEND) != 0 || (flags & FS_APPEND_FL) != 0) {
    return {"is append-only", run_program("let it be written", "chattr -a", {path})};
  }
  if ((attributes & STATX_ATTR_VERITY) != 0 || (flags & FS_VERITY_FL) != 0) {
    return {"is sealed by fs-verity", "use a copy of it: a sealed file can never be written"};
  }
  return {};
}

}  // namespace blkrewind::host
