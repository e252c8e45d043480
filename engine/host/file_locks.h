// Locks that other programs have on a file or device.
#pragma once

namespace blkrewind::host {

// Whether an open file description other than `fd`'s own holds a lock of any kind on the file or
// device; F_OFD_GETLK (fcntl(2)). A virtual machine (QEMU) protects its image by such locks.
[[nodiscard]] bool is_locked(int fd);

}  // namespace blkrewind::host
