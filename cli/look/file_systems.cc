#include "cli/look/file_systems.h"

#include <blkid/blkid.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <span>

#include "blkrewind/units.h"
#include "cli/output.h"

namespace blkrewind::cli {
namespace {

struct FreeProbe {
  void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
};
using Probe = std::unique_ptr<blkid_struct_probe, FreeProbe>;

Error unreadable() {
  return system_error(errno != 0 ? errno : EIO, "cannot look for file systems");
}

Result<Probe> probe_of(int image, Extent bytes) {
  Probe probe(blkid_new_probe());
  if (!probe || blkid_probe_set_device(probe.get(), image, static_cast<blkid_loff_t>(bytes.offset),
                                       static_cast<blkid_loff_t>(bytes.length)) != 0) {
    return fail(unreadable());
  }
  return probe;
}

std::string value_of(const Probe& probe, const char* name) {
  const char* data = nullptr;
  std::size_t length = 0;
  if (blkid_probe_lookup_value(probe.get(), name, &data, &length) != 0 || length == 0) return {};
  return {data, length - 1};  // it counts the zero behind it
}

Status look_at(int image, DiskPart& part) {
  if (part.outside || part.bytes.length == 0) return {};
  BLKREWIND_ASSIGN(const Probe probe, probe_of(image, part.bytes));
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(),
                                    BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_LABEL);
  errno = 0;
  switch (blkid_do_safeprobe(probe.get())) {
    case 0:
      part.type = value_of(probe, "TYPE");
      part.file_system = value_of(probe, "USAGE") == "filesystem";
      part.label = value_of(probe, "LABEL");
      return {};
    case 1:
      return {};
    case -2:
      part.type = "several signatures at once";
      return {};
    default:
      return fail(unreadable());
  }
}

// `sector_bytes`: the unit of a GPT, which the image does not tell.
Result<DiskParts> read_table(int image, std::uint64_t size_bytes, unsigned sector_bytes) {
  DiskParts found;
  BLKREWIND_ASSIGN(const Probe probe, probe_of(image, {0, size_bytes}));
  blkid_probe_set_sectorsize(probe.get(), sector_bytes);
  blkid_probe_enable_partitions(probe.get(), 1);
  errno = 0;
  blkid_partlist list = blkid_probe_get_partitions(probe.get());
  if (list == nullptr && (errno == EIO || errno == ENOTCONN)) return fail(unreadable());
  blkid_parttable table = list != nullptr ? blkid_partlist_get_table(list) : nullptr;
  if (table == nullptr) return found;
  found.table = blkid_parttable_get_type(table);
  const int count = blkid_partlist_numof_partitions(list);
  for (int i = 0; i < count; ++i) {
    blkid_partition partition = blkid_partlist_get_partition(list, i);
    if (partition == nullptr || blkid_partition_is_extended(partition) != 0) continue;
    constexpr std::uint64_t kUnit = 512;  // libblkid's, whatever the sector
    const auto first = static_cast<std::uint64_t>(blkid_partition_get_start(partition));
    const auto length = static_cast<std::uint64_t>(blkid_partition_get_size(partition));
    DiskPart part;
    part.number = static_cast<unsigned>(blkid_partition_get_partno(partition));
    part.outside = first > size_bytes / kUnit || length > size_bytes / kUnit - first;
    part.bytes = {first * kUnit, length * kUnit};
    found.parts.push_back(std::move(part));
  }
  return found;
}

// A table may have thousands.
std::string list_of(const std::vector<DiskPart>& parts) {
  constexpr std::size_t kMost = 10;
  std::string text;
  for (const DiskPart& part : std::span(parts).first(std::min(parts.size(), kMost))) {
    text += (text.empty() ? "" : "; ") + text_of(part);
  }
  if (parts.size() > kMost) text += "; and " + std::to_string(parts.size() - kMost) + " more";
  return text;
}

// "choose 1, 2 or 5 with --partition": of those with a file system. Empty: there is none.
Remedy choice_of(const std::vector<DiskPart>& parts) {
  constexpr std::size_t kMost = 10;
  std::vector<unsigned> numbers;
  for (const DiskPart& part : parts) {
    if (part.file_system) numbers.push_back(part.number);
  }
  if (numbers.empty()) return {};
  if (numbers.size() > kMost) return "choose one that has a file system with --partition";
  std::string text = std::to_string(numbers.front());
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    text += (i + 1 == numbers.size() ? " or " : ", ") + std::to_string(numbers[i]);
  }
  return "choose " + text + " with --partition";
}

}  // namespace

std::string text_of(const DiskPart& part) {
  std::string text = part.number == 0 ? "" : std::to_string(part.number) + ": ";
  text += format_bytes(part.bytes.length);
  if (part.outside) return text + ", outside of the disk";
  text += ", " + (part.type.empty() ? "nothing known" : part.type);
  if (!part.label.empty()) text += " " + cli::quoted(part.label);
  return text;
}

Result<DiskParts> find_parts(int image, std::uint64_t size_bytes) {
  DiskPart whole;
  whole.bytes = {0, size_bytes};
  BLKREWIND_TRY(look_at(image, whole));
  DiskParts found;
  for (const unsigned sector_bytes : {512U, 4096U}) {
    // A boot sector of FAT or NTFS looks like a table.
    if (whole.file_system || !found.table.empty()) break;
    BLKREWIND_ASSIGN(found, read_table(image, size_bytes, sector_bytes));
  }
  if (found.table.empty()) found.parts = {whole};
  for (DiskPart& part : found.parts) {
    if (part.number != 0) BLKREWIND_TRY(look_at(image, part));
  }
  return found;
}

Result<DiskPart> choose_part(const DiskParts& parts, std::optional<unsigned> number) {
  if (number && parts.table.empty()) {
    return fail(Errc::kNotFound, "the disk has no partitions", "leave --partition out");
  }
  std::vector<DiskPart> candidates;
  for (const DiskPart& part : parts.parts) {
    if (number ? part.number == *number : part.file_system) candidates.push_back(part);
  }
  if (candidates.empty() && number) {
    return fail(
        Errc::kNotFound,
        "the disk has no partition " + std::to_string(*number) + ": " + list_of(parts.parts),
        choice_of(parts.parts));
  }
  if (candidates.empty() && parts.parts.empty()) {
    return fail(Errc::kNotFound, "the partition table (" + parts.table + ") is empty");
  }
  if (candidates.empty()) {
    return fail(Errc::kNotFound, "no file system was found: " + list_of(parts.parts));
  }
  if (candidates.size() > 1) {
    return fail(Errc::kInvalidArgument,
                "the disk has several partitions with a file system: " + list_of(candidates),
                choice_of(candidates));
  }
  const DiskPart& chosen = candidates.front();
  if (chosen.outside) {
    return fail(Errc::kIntegrity, "partition " + std::to_string(chosen.number) +
                                      " is outside of the disk: bytes " +
                                      std::to_string(chosen.bytes.offset) + " to " +
                                      std::to_string(chosen.bytes.end()));
  }
  if (!chosen.file_system) {
    return fail(Errc::kNotFound, "there is no file system on partition " + text_of(chosen),
                choice_of(parts.parts));
  }
  return chosen;
}

Result<std::optional<unsigned>> parse_partition(const std::optional<std::string>& text) {
  if (!text) return std::optional<unsigned>();
  unsigned number = 0;
  const char* const end = text->data() + text->size();
  const auto [last, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc{} || last != end || number == 0) {
    return fail(Errc::kInvalidArgument, "invalid partition " + cli::quoted(*text),
                "give its number, as 1");
  }
  return std::optional<unsigned>(number);
}

}  // namespace blkrewind::cli
