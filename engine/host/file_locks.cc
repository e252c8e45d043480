#include "host/file_locks.h"

#include <fcntl.h>

namespace blkrewind::host {

bool is_locked(int fd) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;  // with l_start = l_len = 0: the whole file
  return ::fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

}  // namespace blkrewind::host
