// Names: directories, opening, renaming, removing, and probing a path.
#include <algorithm>

#include "support/simulated_disk.h"

namespace blkrewind::sim {

Outcome<Handle> SimulatedDisk::open(const std::string& path, bool writable, bool direct,
                                    bool create_new, bool exclusive) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(create_new ? OpKind::kCreate : OpKind::kOpen, path, fault);
  int error = logged.error;
  if (error == 0 && create_new) {
    error = create(path, InodeType::kFile, logged);
  }
  const auto inode = inside_.state.find(path);
  if (error == 0) {
    if (!inode) {
      error = ENOENT;
    } else if (inside_.state.at(*inode).type == InodeType::kDirectory) {
      error = EISDIR;
    } else if (writable && inside_.state.at(*inode).read_only) {
      error = EROFS;
    } else if (exclusive && inside_.state.at(*inode).type == InodeType::kBlockDevice &&
               (inside_.state.at(*inode).exclusive_holders != 0 ||
                !inside_.state.at(*inode).used_by.empty())) {
      error = EBUSY;
    }
  }
  if (finish(std::move(logged), error) != 0) {
    return tl::unexpected(error);
  }
  ++inside_.open_files;
  if (exclusive) {
    ++inside_.state.at(*inode).exclusive_holders;
  }
  return Handle{*inode, path, writable, direct, exclusive};
}

Outcome<Handle> SimulatedDisk::open_unnamed(const std::string& path, bool direct) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kCreate, path, fault);
  State& state = inside_.state;
  int error = logged.error;
  if (error == 0 && !state.find(path)) error = ENOENT;
  if (finish(std::move(logged), error) != 0) return tl::unexpected(error);
  // No directory knows it: it is lost with the power, and its room is not counted.
  const InodeId id = state.next_inode++;
  state.inodes[id].modified_at = state.clock;
  ++inside_.open_files;
  return Handle{id, path + "/(unnamed)", true, direct, false};
}

void SimulatedDisk::close(const Handle& handle) {
  const std::lock_guard guard(mutex_);
  --inside_.open_files;
  if (handle.exclusive) {
    --inside_.state.at(handle.inode).exclusive_holders;
  }
}

int SimulatedDisk::create(const std::string& path, InodeType type, const LoggedOp& logged) {
  State& state = inside_.state;
  const auto parent = state.find_parent(path);
  if (state.find(path)) {
    return EEXIST;
  }
  if (!parent) {
    return ENOENT;
  }
  const InodeId id = state.next_inode++;
  state.inodes[id].type = type;
  state.inodes[id].modified_at = state.clock;
  make_pending({logged, id, {}, *parent, {parent->directory}});
  return 0;
}

void SimulatedDisk::make_pending(NameOp op) {
  apply(inside_.state, op, &Inode::entries_now);
  for (const InodeId directory : op.unsynced_directories) {
    inside_.state.at(directory).modified_at = inside_.state.clock;
  }
  inside_.state.unsynced.push_back(std::move(op));
}

int SimulatedDisk::make_directory(const std::string& path) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kMakeDirectory, path, fault);
  const int error = logged.error != 0 ? logged.error : create(path, InodeType::kDirectory, logged);
  return finish(std::move(logged), error);
}

int SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kRename, from, fault);
  logged.to = normalized(to);
  const int error = logged.error != 0 ? logged.error : do_rename(from, to, logged);
  return finish(std::move(logged), error);
}

int SimulatedDisk::rename_new(const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kRename, from, fault);
  logged.to = normalized(to);
  int error = logged.error;
  if (error == 0) error = inside_.state.find(to) ? EEXIST : do_rename(from, to, logged);
  return finish(std::move(logged), error);
}

int SimulatedDisk::do_rename(const std::string& from, const std::string& to,
                             const LoggedOp& logged) {
  State& state = inside_.state;
  const auto inode = state.find(from);
  const auto from_side = state.find_parent(from);
  const auto to_side = state.find_parent(to);
  if (!inode || !from_side || !to_side) {
    return ENOENT;
  }
  if (const auto target = state.find(to)) {
    if (*target == *inode) {
      return 0;
    }
    const bool target_is_directory = state.at(*target).type == InodeType::kDirectory;
    const bool is_directory = state.at(*inode).type == InodeType::kDirectory;
    if (target_is_directory != is_directory) {
      return is_directory ? ENOTDIR : EISDIR;
    }
    if (!state.at(*target).entries_now.empty()) {
      return ENOTEMPTY;
    }
  }
  NameOp op{logged, *inode, *from_side, *to_side, {to_side->directory}};
  if (from_side->directory != to_side->directory) {
    op.unsynced_directories.push_back(from_side->directory);
  }
  make_pending(std::move(op));
  return 0;
}

int SimulatedDisk::remove(const std::string& path) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kRemove, path, fault);
  const int error = logged.error != 0 ? logged.error : do_remove(path, logged);
  return finish(std::move(logged), error);
}

int SimulatedDisk::do_remove(const std::string& path, const LoggedOp& logged) {
  const auto inode = inside_.state.find(path);
  const auto side = inside_.state.find_parent(path);
  if (!inode || !side) {
    return ENOENT;
  }
  if (!inside_.state.at(*inode).entries_now.empty()) {
    return ENOTEMPTY;
  }
  make_pending({logged, *inode, *side, {}, {side->directory}});
  return 0;
}

int SimulatedDisk::sync_directory(const std::string& path) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  LoggedOp logged = begin(OpKind::kSyncDirectory, path, fault);
  const auto inode = inside_.state.find(path);
  int error = logged.error;
  if (error == 0 && !inode) {
    error = ENOENT;
  } else if (error == 0 && inside_.state.at(*inode).type != InodeType::kDirectory) {
    error = ENOTDIR;
  }
  if (error == 0) {
    auto& unsynced = inside_.state.unsynced;
    for (NameOp& op : unsynced) {
      if (std::erase(op.unsynced_directories, *inode) != 0 && op.unsynced_directories.empty()) {
        apply(inside_.state, op, &Inode::entries_durable);
      }
    }
    std::erase_if(unsynced, [](const NameOp& op) { return op.unsynced_directories.empty(); });
  }
  return finish(std::move(logged), error);
}

Outcome<std::vector<std::string>> SimulatedDisk::list_directory(const std::string& path) {
  const auto inode = look(OpKind::kLook, path);
  if (!inode) {
    return tl::unexpected(inode.error());
  }
  const std::lock_guard guard(mutex_);
  if (inside_.state.at(*inode).type != InodeType::kDirectory) {
    return tl::unexpected(ENOTDIR);
  }
  std::vector<std::string> names;
  for (const auto& [name, child] : inside_.state.at(*inode).entries_now) {
    names.push_back(name);
  }
  return names;
}

Outcome<InodeId> SimulatedDisk::look(OpKind kind, const std::string& path) {
  const std::lock_guard guard(mutex_);
  Fault fault;
  if (const int error = begin(kind, path, fault).error; error != 0) {
    return tl::unexpected(error);
  }
  const auto inode = inside_.state.find(path);
  if (!inode) {
    return tl::unexpected(ENOENT);
  }
  return *inode;
}

Outcome<host::DeviceInfo> SimulatedDisk::probe(const std::string& path) {
  const auto id = look(OpKind::kLook, path);
  if (!id) {
    return tl::unexpected(id.error());
  }
  const std::lock_guard guard(mutex_);
  if (inside_.state.at(*id).type == InodeType::kDirectory) {
    return tl::unexpected(EISDIR);
  }
  return describe(inside_.state, *id, path);
}

Outcome<host::DeviceInfo> SimulatedDisk::probe(const Handle& handle) {
  const auto id = look(OpKind::kLook, handle.path);
  if (!id && id.error() != ENOENT) {
    return tl::unexpected(id.error());
  }
  if (!id || *id != handle.inode) {
    return tl::unexpected(EXDEV);
  }
  const std::lock_guard guard(mutex_);
  host::DeviceInfo info = describe(inside_.state, handle.inode, handle.path);
  const auto& writers = inside_.state.at(handle.inode).writers;
  info.used_by.insert(info.used_by.end(), writers.begin(), writers.end());
  return info;
}

host::DeviceInfo SimulatedDisk::describe(const State& state, InodeId id, const std::string& path) {
  const Inode& inode = state.at(id);
  host::DeviceInfo info;
  info.kind =
      inode.type == InodeType::kBlockDevice ? host::DeviceKind::kBlock : host::DeviceKind::kFile;
  info.path = path;
  info.real_path = normalized(path);
  info.size_bytes = inode.now.size_bytes();
  info.read_only = inode.read_only;
  info.identity.backing_id = {kSimulatedDevice, id};
  info.identity.layer =
      inode.type == InodeType::kBlockDevice ? host::Layer::kLoop : host::Layer::kFile;
  info.identity.place = info.real_path;
  info.identity.size_bytes = info.size_bytes;
  info.identity.host_filesystem = "simulated";
  info.identity.generation = id;  // inode numbers are not reused
  info.identity.boot_id = "simulated-boot-" + std::to_string(state.boot);
  info.modified_at = inode.modified_at;
  info.used_by = inode.used_by;
  info.unknown = inode.unknown;
  if (inode.adjust_probe) {
    inode.adjust_probe(info);
  }
  return info;
}

}  // namespace blkrewind::sim
