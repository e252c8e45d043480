// The disks and snapshots of a store, and under which names a mount shows them.
//
// Values and pure functions, but for list_store().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/engine.h"

namespace blkrewind::cli {

struct ListedSnapshot {
  std::string id;
  std::string name;  // empty: none
  std::int64_t created_at = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t data_bytes = 0;  // without the chunks that are all zero
};

struct ListedDisk {
  std::string id;
  std::string path;  // where the device was seen last
  std::int64_t changed_at = 0;
  bool readable = true;  // false: its log cannot be read, and its snapshots are unknown
  std::vector<ListedSnapshot> snapshots;
};

using Listing = std::vector<ListedDisk>;

// The snapshots that can be opened, of all disks.
[[nodiscard]] Result<Listing> list_store(Engine& engine);

[[nodiscard]] ListedSnapshot listed(const SnapshotInfo& snapshot);

// The folder in which every disk has one that is named by its id.
inline constexpr const char* kByIdFolder = "by-id";

// One name for each disk, in their order: the last component of its path. Disks that would have
// one name, or kByIdFolder, have their id behind it: "disk.img.d-enww3zrwxr72lcp35z".
[[nodiscard]] std::vector<std::string> folder_names(const Listing& disks);

// "NAME.img", or "ID.img" where the snapshot has no name that a file can have.
[[nodiscard]] std::string file_name(const ListedSnapshot& snapshot);
[[nodiscard]] std::string file_name_by_id(const ListedSnapshot& snapshot);

}  // namespace blkrewind::cli
