// Disk images that are not raw: a device's bytes are in them, but elsewhere.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace blkrewind::host {

inline constexpr std::size_t kImageHeadBytes = 512;
inline constexpr std::size_t kImageTailBytes = 512;

// The name of the format whose mark an image file bears: qcow2, vmdk, vdi, vhd, vhdx, parallels,
// qed, bochs, ... Empty: it is taken for raw. `head`, `tail`: its first and last bytes, at most the
// above. Pure. A raw image may hold such a file further in; LUKS, partition tables and file systems
// are what raw images hold.
[[nodiscard]] std::string_view image_format(std::span<const std::byte> head,
                                            std::span<const std::byte> tail);

}  // namespace blkrewind::host
