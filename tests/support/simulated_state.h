// The bytes and names of the simulated machine, as one copyable value: the state visible to the
// running system, the state that certainly survives a power cut, and everything in between.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/units.h"
#include "host/device_info.h"
#include "support/simulated_ops.h"
#include "support/sparse_bytes.h"

namespace blkrewind::sim {

using InodeId = std::uint64_t;
inline constexpr InodeId kRootInode = 1;
// st_dev of everything that is simulated.
inline constexpr std::uint64_t kSimulatedDevice = 0x51d;

// A change of a file's bytes or length that is not covered by a flush yet.
struct DataOp {
  LoggedOp logged;
  std::shared_ptr<const std::vector<std::byte>> bytes;  // kWrite
};

// A change of names that is not covered by a sync_directory() yet. Atomic.
struct NameOp {
  struct Side {
    InodeId directory = 0;  // 0: no such side
    std::string name;
  };
  LoggedOp logged;
  InodeId inode = 0;
  Side removed;  // kRename, kRemove
  Side added;    // kCreate, kMakeDirectory, kRename
  // The directories that must still be synced before it is durable.
  std::vector<InodeId> unsynced_directories;
};

enum class InodeType : std::uint8_t { kFile, kBlockDevice, kDirectory };

struct Inode {
  InodeType type = InodeType::kFile;
  SparseBytes now;
  SparseBytes durable;
  std::vector<DataOp> unflushed;  // in the order in which they were executed
  // Reserved blocks, begin -> end; a crash frees those that no flush has covered. A write uses them
  // without removing them: a page that is not a hole counts once.
  std::map<std::uint64_t, std::uint64_t> reserved_now;
  std::map<std::uint64_t, std::uint64_t> reserved_durable;
  std::map<std::string, InodeId> entries_now;      // kDirectory
  std::map<std::string, InodeId> entries_durable;  // kDirectory

  // Applied on top of the bytes, and kept through a power cut.
  std::map<std::uint64_t, std::uint8_t> rotten;  // offset -> bits that reads invert
  // Sectors (512 bytes, by offset) whose reads fail with this errno, until they are written.
  std::map<std::uint64_t, int> unreadable;
  bool read_only = false;
  std::int64_t modified_at = 0;  // seconds since the epoch
  std::vector<host::UsedBy> used_by;
  std::vector<host::UsedBy> writers;
  std::vector<host::Unknown> unknown;
  std::function<void(host::DeviceInfo&)> adjust_probe;
  bool holds_store = false;             // lives_on() returns true
  std::uint32_t exclusive_holders = 0;  // open files with exclusive_device
};

// A file system of limited size: everything below `directory`.
struct FileSystem {
  std::string directory;
  std::uint64_t capacity_bytes = 0;
};

// What is kept beside the machine and does not lose power with it: a value.
struct Beside {
  Beside() = default;
  virtual ~Beside() = default;
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  [[nodiscard]] virtual std::uint64_t fingerprint() const = 0;
};

struct State {
  State();

  std::map<InodeId, Inode> inodes;
  std::vector<NameOp> unsynced;  // in the order in which they were executed
  InodeId next_inode = kRootInode + 1;
  std::uint64_t boot = 1;
  // The simulated time: seconds since the epoch, incremented by each mutating operation.
  std::int64_t clock = 1'700'000'000;
  std::shared_ptr<const Beside> beside;  // null: nothing

  // For an existing inode: an open handle keeps its inode here.
  [[nodiscard]] Inode& at(InodeId id) { return inodes.at(id); }
  [[nodiscard]] const Inode& at(InodeId id) const { return inodes.at(id); }
  [[nodiscard]] std::optional<InodeId> find(const std::string& path, bool durable = false) const;
  // At most one; nullopt: unlimited.
  std::optional<FileSystem> limited;
  bool can_reserve = true;  // the result of File::reserve()

  // The space of the file, including reserved blocks.
  [[nodiscard]] std::uint64_t allocated_bytes(const Inode& inode) const;
  // Whether the path's file system has blocks for that extent of the inode: allocated or reserved
  // blocks need none.
  [[nodiscard]] bool has_room(const std::string& path, const Inode& inode, Extent extent) const;
  // Blocks in use below a directory.
  [[nodiscard]] std::uint64_t used_bytes(const std::string& directory) const;
  // The directory that contains (or would contain) the path's last name.
  [[nodiscard]] std::optional<NameOp::Side> find_parent(const std::string& path) const;
};

// Of every name and byte visible to the running system, and of what is beside it; distinguishes
// holes from zeroes.
[[nodiscard]] std::uint64_t fingerprint(const State& state);

// Absolute, without ".", ".." and repeated slashes.
[[nodiscard]] std::string normalized(const std::string& path);

// Applies `op` to `image`, within `part` of its extent. kTruncate ignores `part`.
void apply(SparseBytes& image, const DataOp& op, Extent part);

// Applies `op` to the entries that `member` selects. A removal removes the name only if it still
// refers to the same inode, so that earlier operations may be missing.
void apply(State& state, const NameOp& op, std::map<std::string, InodeId> Inode::*member);

}  // namespace blkrewind::sim
