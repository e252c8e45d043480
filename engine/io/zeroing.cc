#include "io/zeroing.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>

namespace blkrewind::io {

ZeroPiece first_zero_piece(Extent remaining, ZeroMethod method, std::uint32_t sector_bytes,
                           std::uint64_t write_bytes) {
  const auto plain = [&](std::uint64_t length) {
    return ZeroPiece{ZeroMethod::kWrite, {remaining.offset, std::min(length, write_bytes)}};
  };
  if (method == ZeroMethod::kWrite) return plain(remaining.length);

  const std::uint64_t head = align_up(remaining.offset, sector_bytes) - remaining.offset;
  if (head != 0) return plain(std::min(head, remaining.length));
  const std::uint64_t whole =
      align_down(std::min(remaining.length, kMaxZeroPieceBytes), sector_bytes);
  if (whole == 0) return plain(remaining.length);
  return {method, {remaining.offset, whole}};
}

int fallocate_mode(ZeroMethod method) {
  return method == ZeroMethod::kPunch ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                                      : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
}

bool means_unsupported(int sys_errno) {
  switch (sys_errno) {
    case EOPNOTSUPP:
    case ENOSYS:
    case ENODEV:     // fallocate before Linux 4.9 on a block device
    case EINVAL:     // a mode that the file system does not know
    case EREMOTEIO:  // a SCSI target that rejects the command
      return true;
    default:
      return false;
  }
}

ZeroMethod next_zero_method(ZeroMethod refused) {
  return refused == ZeroMethod::kPunch ? ZeroMethod::kZeroRange : ZeroMethod::kWrite;
}

}  // namespace blkrewind::io
