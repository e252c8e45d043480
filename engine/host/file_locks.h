// Locks that other programs have on a file or device.
#pragma once

namespace blkrewind::host {

// Whether an open file description other than `fd`'s own has a lock of any kind on the file or
// device; F_OFD_GETLK (fcntl(2)). Open file description locks are how a virtual machine (QEMU)
// guards its image.
[[nodiscard]] bool is_locked(int fd);

}  // namespace blkrewind::host
