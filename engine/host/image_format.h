// Disk images that are not raw: the bytes of the device are at other offsets.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace blkrewind::host {

inline constexpr std::size_t kImageHeadBytes = 512;
inline constexpr std::size_t kImageTailBytes = 512;

// The format whose signature an image file has: qcow2, vmdk, vdi, vhd, vhdx, parallels, qed, bochs,
// ... Empty: it is assumed to be raw. `head`, `tail`: its first and last bytes, at most the sizes
// above. Pure. LUKS, partition tables and file systems are valid content of a raw image, and so is
// a file of another format further inside.
[[nodiscard]] std::string_view image_format(std::span<const std::byte> head,
                                            std::span<const std::byte> tail);

}  // namespace blkrewind::host
