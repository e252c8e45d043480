#include "host/blkid_identity.h"

#include <fcntl.h>

#include <algorithm>
#include <cstddef>

#include "blkrewind/units.h"
#include "host/blkid_probe.h"

namespace blkrewind::host {
namespace {

BlkidProbe make_probe(int fd) {
  BlkidProbe probe(blkid_new_probe());
  // Offset 0 and size 0: the whole device.
  if (probe != nullptr && blkid_probe_set_device(probe.get(), fd, 0, 0) != 0) {
    probe.reset();
  }
  return probe;
}

// Superblocks and partition tables are at both ends. libblkid reads one after another, about forty
// pieces of a few sectors, and each would wait for the medium.
void read_ends_ahead(int fd, std::uint64_t size_bytes) {
  constexpr std::uint64_t kEndBytes = 512 * kKiB;
  const std::uint64_t last = size_bytes - std::min(size_bytes, kEndBytes);
  for (const std::uint64_t offset : {std::uint64_t{0}, last}) {
    ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(kEndBytes),
                    POSIX_FADV_WILLNEED);
  }
}

std::string value_of(blkid_probe probe, const char* name) {
  const char* data = nullptr;
  std::size_t size = 0;
  if (blkid_probe_lookup_value(probe, name, &data, &size) != 0 || data == nullptr || size == 0) {
    return {};
  }
  return std::string(data, size - 1);  // the size counts the zero byte
}

}  // namespace

// Two probes, so that an ambiguous file system does not hide the partition table, or vice versa.
void read_content_identity(int fd, DeviceIdentity& identity) {
  if (const BlkidProbe probe = make_probe(fd)) {
    read_ends_ahead(fd, static_cast<std::uint64_t>(blkid_probe_get_size(probe.get())));
    blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE);
    if (blkid_do_safeprobe(probe.get()) == 0) {
      identity.filesystem_uuid = value_of(probe.get(), "UUID");
      identity.filesystem_type = value_of(probe.get(), "TYPE");
    }
  }
  if (const BlkidProbe probe = make_probe(fd)) {
    blkid_probe_enable_superblocks(probe.get(), 0);
    blkid_probe_enable_partitions(probe.get(), 1);
    // The details of a partition's entry are in the table of its whole disk.
    blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_ENTRY_DETAILS);
    if (blkid_do_safeprobe(probe.get()) == 0) {
      identity.table_uuid = value_of(probe.get(), "PTUUID");
      identity.partition_uuid = value_of(probe.get(), "PART_ENTRY_UUID");
    }
  }
}

}  // namespace blkrewind::host
