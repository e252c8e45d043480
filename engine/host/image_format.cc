#include "host/image_format.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace blkrewind::host {
namespace {

struct Signature {
  std::string_view name;
  std::size_t offset;
  std::string_view bytes;
};

using namespace std::string_view_literals;

// From the documents of the formats and QEMU's block drivers (bdrv_probe).
constexpr std::array kSignatures = {
    Signature{"qcow2", 0, "QFI\xfb"sv},  // also version 1
    Signature{"qed", 0, "QED\0"sv},
    Signature{"vmdk", 0, "KDMV"sv},
    Signature{"vmdk", 0, "COWD"sv},
    Signature{"vmdk", 0, "# Disk DescriptorFile"sv},
    Signature{"vdi", 64, "\x7f\x10\xda\xbe"sv},
    Signature{"vhdx", 0, "vhdxfile"sv},
    Signature{"vhd", 0, "conectix"sv},  // of a dynamic disk: a copy of the footer
    Signature{"parallels", 0, "WithoutFreeSpace"sv},
    Signature{"parallels", 0, "WithouFreSpacExt"sv},
    Signature{"bochs", 0, "Bochs Virtual HD Image"sv},
    Signature{"cloop", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"sv},
};

bool has(std::span<const std::byte> bytes, std::size_t offset, std::string_view signature) {
  return bytes.size() >= offset + signature.size() &&
         std::memcmp(bytes.data() + offset, signature.data(), signature.size()) == 0;
}

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[offset + i]);
  }
  return value;
}

// The footer of a VHD is in its last 512 bytes, or 511 as written by old programs. Its checksum
// distinguishes it from a sector that happens to start the same way.
bool is_vhd_footer(std::span<const std::byte> footer) {
  constexpr std::size_t kChecksumAt = 64;
  if (footer.size() < 511 || !has(footer, 0, "conectix"sv)) return false;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < footer.size(); ++i) {
    if (i < kChecksumAt || i >= kChecksumAt + 4) sum += std::to_integer<std::uint32_t>(footer[i]);
  }
  return ~sum == big_endian(footer, kChecksumAt);
}

bool is_vhd(std::span<const std::byte> tail) {
  return is_vhd_footer(tail) || (tail.size() >= 511 && is_vhd_footer(tail.last(511)));
}

}  // namespace

std::string_view image_format(std::span<const std::byte> head, std::span<const std::byte> tail) {
  const auto* const signature =
      std::find_if(kSignatures.begin(), kSignatures.end(),
                   [&](const Signature& one) { return has(head, one.offset, one.bytes); });
  if (signature != kSignatures.end()) return signature->name;
  // The descriptor of a VMDK may be preceded by comments and blank lines.
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  while (!text.empty() && (text.front() == '#' || text.front() == '\n' || text.front() == '\r')) {
    if (text.starts_with("# Disk DescriptorFile")) return "vmdk";
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return is_vhd(tail) ? "vhd" : "";
}

}  // namespace blkrewind::host
