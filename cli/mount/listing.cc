#include "cli/mount/listing.h"

#include <algorithm>
#include <climits>
#include <map>
#include <set>

namespace blkrewind::cli {
namespace {

constexpr const char* kSuffix = ".img";

// A store may be hostile: no name of it is a path.
bool is_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= NAME_MAX &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

ListedSnapshot listed(const SnapshotInfo& snapshot) {
  return {
      .id = snapshot.id,
      .name = snapshot.name,
      .created_at = snapshot.created_at,
      .size_bytes = snapshot.device_bytes,
      .data_bytes = snapshot.device_bytes - std::min(snapshot.zero_bytes, snapshot.device_bytes)};
}

Result<Listing> list_store(Engine& engine) {
  Listing disks;
  BLKREWIND_TRY(engine.list(
      {}, [&](const DiskInfo& info, const std::vector<SnapshotInfo>& snapshots) -> Status {
        ListedDisk disk{.id = info.id,
                        .path = info.path,
                        .changed_at = info.registered_at,
                        .readable = !info.trouble,
                        .snapshots = {}};
        for (const SnapshotInfo& snapshot : snapshots) {
          if (snapshot.status != SnapshotStatus::kAccomplished) continue;
          disk.snapshots.push_back(listed(snapshot));
          disk.changed_at = std::max(disk.changed_at, snapshot.created_at);
        }
        disks.push_back(std::move(disk));
        return {};
      }));
  return disks;
}

std::vector<std::string> folder_names(const Listing& disks) {
  std::map<std::string, int> wanted{{kByIdFolder, 1}};
  for (const ListedDisk& disk : disks) ++wanted[base_name(disk.path)];
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const ListedDisk& disk : disks) {
    std::string name = base_name(disk.path);
    if (wanted.at(name) > 1) name += "." + disk.id;
    // The second: as the path of another disk ends.
    if (!is_file_name(name) || (name != base_name(disk.path) && wanted.contains(name)) ||
        !taken.insert(name).second) {
      name = disk.id;
    }
    names.push_back(std::move(name));
  }
  return names;
}

std::string file_name(const ListedSnapshot& snapshot) {
  const std::string name = snapshot.name + kSuffix;
  return snapshot.name.empty() || !is_file_name(name) ? file_name_by_id(snapshot) : name;
}

std::string file_name_by_id(const ListedSnapshot& snapshot) { return snapshot.id + kSuffix; }

}  // namespace blkrewind::cli
