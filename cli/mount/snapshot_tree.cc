#include "cli/mount/snapshot_tree.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace blkrewind::cli {

struct SnapshotTree::Folder {
  bool readable = true;
  std::int64_t changed_at = 0;
  std::map<std::string, Node> children;
};

struct SnapshotTree::Index {
  explicit Index(const Listing& disks) {
    const std::vector<std::string> names = folder_names(disks);
    Folder& root = folders[{Kind::kRoot, {}}];
    Folder& by_id = folders[{Kind::kById, {}}];
    root.children[kByIdFolder] = {Kind::kById, {}};
    for (std::size_t i = 0; i < disks.size(); ++i) {
      const ListedDisk& disk = disks[i];
      root.children.try_emplace(names[i], Node{Kind::kDisk, disk.id});
      by_id.children.try_emplace(disk.id, Node{Kind::kDiskById, disk.id});
      Folder& named = folders[{Kind::kDisk, disk.id}];
      Folder& plain = folders[{Kind::kDiskById, disk.id}];
      named.readable = plain.readable = disk.readable;
      named.changed_at = plain.changed_at = disk.changed_at;
      root.changed_at = by_id.changed_at = std::max(root.changed_at, disk.changed_at);
      for (const ListedSnapshot& snapshot : disk.snapshots) {
        const Node node{Kind::kSnapshot, snapshot.id};
        named.children.try_emplace(file_name(snapshot), node);
        plain.children.try_emplace(file_name_by_id(snapshot), node);
        snapshots.try_emplace(snapshot.id, snapshot);
      }
    }
  }

  std::map<Node, Folder> folders;
  std::map<std::string, ListedSnapshot> snapshots;
};

SnapshotTree::SnapshotTree(const Listing& first, Lister list, OnError on_error)
    : list_(std::move(list)),
      on_error_(std::move(on_error)),
      index_(std::make_shared<const Index>(first)),
      listed_at_(std::chrono::steady_clock::now()) {
  nodes_.emplace_back();  // no file has the number 0
  static_cast<void>(number_of({Kind::kRoot, {}}));
}

SnapshotTree::~SnapshotTree() = default;

SnapshotTree::Answer<std::shared_ptr<const SnapshotTree::Index>> SnapshotTree::index(
    std::chrono::steady_clock::duration age) {
  {
    const std::scoped_lock lock(mutex_);
    if (listing_ || std::chrono::steady_clock::now() - listed_at_ < age) return index_;
    listing_ = true;
  }
  const auto begun = std::chrono::steady_clock::now();
  auto listing = list_();
  std::shared_ptr<const Index> made;
  if (listing) made = std::make_shared<const Index>(*listing);
  {
    const std::scoped_lock lock(mutex_);
    listing_ = false;
    if (made) {
      index_ = made;
      listed_at_ = begun;
    }
  }
  if (made) return made;
  on_error_(listing.error());
  return tl::unexpected(EIO);
}

void SnapshotTree::outdated() {
  const std::scoped_lock lock(mutex_);
  listed_at_ = {};
}

SnapshotTree::Answer<SnapshotTree::Node> SnapshotTree::node(std::uint64_t number) {
  const std::scoped_lock lock(mutex_);
  if (number == 0 || number >= nodes_.size()) return tl::unexpected(ESTALE);
  return nodes_[number];
}

std::uint64_t SnapshotTree::number_of(const Node& node) {
  const std::scoped_lock lock(mutex_);
  const auto [at, added] = numbers_.try_emplace(node, nodes_.size());
  if (added) nodes_.push_back(node);
  return at->second;
}

SnapshotTree::Answer<const SnapshotTree::Folder*> SnapshotTree::folder_of(const Index& index,
                                                                          const Node& node) {
  if (node.kind == Kind::kSnapshot) return tl::unexpected(ENOTDIR);
  const auto folder = index.folders.find(node);
  if (folder == index.folders.end()) return tl::unexpected(ESTALE);
  if (!folder->second.readable) return tl::unexpected(EIO);
  return &folder->second;
}

SnapshotTree::Answer<SnapshotTree::Attributes> SnapshotTree::describe(const Index& index,
                                                                      const Node& node) {
  Attributes attributes{.number = number_of(node), .folder = node.kind != Kind::kSnapshot};
  if (attributes.folder) {
    const auto folder = index.folders.find(node);
    if (folder == index.folders.end()) return tl::unexpected(ESTALE);
    attributes.changed_at = folder->second.changed_at;
    return attributes;
  }
  const auto snapshot = index.snapshots.find(node.id);
  if (snapshot == index.snapshots.end()) return tl::unexpected(ESTALE);
  attributes.size_bytes = snapshot->second.size_bytes;
  attributes.data_bytes = snapshot->second.data_bytes;
  attributes.changed_at = snapshot->second.created_at;
  attributes.links = 2;
  return attributes;
}

SnapshotTree::Answer<SnapshotTree::Attributes> SnapshotTree::lookup(std::uint64_t folder,
                                                                    const std::string& name) {
  const auto parent = node(folder);
  if (!parent) return tl::unexpected(parent.error());
  // Only what is there may be answered from a list that is a moment old.
  for (const auto age : {std::chrono::steady_clock::duration(kFreshFor),
                         std::chrono::steady_clock::duration::zero()}) {
    const auto now = index(age);
    if (!now) return tl::unexpected(now.error());
    const auto inside = folder_of(**now, *parent);
    if (!inside && inside.error() != ESTALE) return tl::unexpected(inside.error());
    if (!inside) continue;
    const auto child = (*inside)->children.find(name);
    if (child != (*inside)->children.end()) return describe(**now, child->second);
  }
  return tl::unexpected(ENOENT);
}

SnapshotTree::Answer<SnapshotTree::Attributes> SnapshotTree::attributes(std::uint64_t number) {
  const auto asked = node(number);
  if (!asked) return tl::unexpected(asked.error());
  // The two that are always there are described without the store: the mount point can be looked
  // at, and taken down, whatever became of it.
  const bool fixed = asked->kind == Kind::kRoot || asked->kind == Kind::kById;
  const auto now = index(fixed ? std::chrono::steady_clock::duration::max() : kFreshFor);
  if (!now) return tl::unexpected(now.error());
  return describe(**now, *asked);
}

SnapshotTree::Answer<std::vector<SnapshotTree::Entry>> SnapshotTree::entries(std::uint64_t folder) {
  const auto asked = node(folder);
  if (!asked) return tl::unexpected(asked.error());
  const auto now = index(std::chrono::steady_clock::duration::zero());
  if (!now) return tl::unexpected(now.error());
  const auto inside = folder_of(**now, *asked);
  if (!inside) return tl::unexpected(inside.error());
  std::vector<Entry> entries;
  for (const auto& [name, child] : (*inside)->children) {
    entries.push_back({name, number_of(child), child.kind != Kind::kSnapshot});
  }
  return entries;
}

SnapshotTree::Answer<std::string> SnapshotTree::snapshot_id(std::uint64_t file) {
  const auto asked = node(file);
  if (!asked) return tl::unexpected(asked.error());
  if (asked->kind != Kind::kSnapshot) return tl::unexpected(EISDIR);
  return asked->id;
}

}  // namespace blkrewind::cli
