// Where on a disk there are file systems, by libblkid: on all of it, or on its partitions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// A part of a disk, or all of it (number 0), and what was found on it.
struct DiskPart {
  unsigned number = 0;
  Extent bytes;
  bool outside = false;  // the table says that it ends behind the disk
  std::string type;      // "ext4", "LVM2_member", "swap", ...; empty: nothing that libblkid knows
  bool file_system = false;
  std::string label;  // as it is on the disk: of any bytes
};

struct DiskParts {
  std::string table;  // "gpt", "dos", ...; empty: the disk has none, and one part
  std::vector<DiskPart> parts;
};

// Of a descriptor of an image or a device of `size_bytes`. kIo: it could not be read. kIntegrity:
// the table cannot be taken for one.
[[nodiscard]] Result<DiskParts> find_parts(int image, std::uint64_t size_bytes);

// The part with this number or, if none is given, the only one with a file system. Pure.
// kInvalidArgument: there are several; kNotFound: there is none; the message lists what there is,
// at most ten of it.
[[nodiscard]] Result<DiskPart> choose_part(const DiskParts& parts, std::optional<unsigned> number);

// The value of --partition: a number from 1. kInvalidArgument.
[[nodiscard]] Result<std::optional<unsigned>> parse_partition(
    const std::optional<std::string>& text);

// "2: 512 MiB, ext4 \"root\"". For messages; not made printable.
[[nodiscard]] std::string text_of(const DiskPart& part);

}  // namespace blkrewind::cli
