#include "support/simulated_state.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <span>

namespace blkrewind::sim {

State::State() { inodes[kRootInode].type = InodeType::kDirectory; }

std::string normalized(const std::string& path) {
  // Nearly all are already.
  if (path.size() > 1 && path.front() == '/' && path.back() != '/' &&
      path.find("//") == std::string::npos && path.find("/.") == std::string::npos) {
    return path;
  }
  std::string text = std::filesystem::path("/" + path).lexically_normal().string();
  const std::size_t first = text.find_first_not_of('/');
  if (first == std::string::npos) {
    return "/";
  }
  text.erase(0, first - 1);
  if (text.back() == '/') {
    text.pop_back();
  }
  return text;
}

std::optional<InodeId> State::find(const std::string& path, bool durable) const {
  InodeId id = kRootInode;
  const std::string clean = normalized(path);
  for (std::size_t at = 1; at < clean.size();) {
    const std::size_t end = std::min(clean.find('/', at), clean.size());
    const std::string name = clean.substr(at, end - at);
    at = end + 1;
    const auto node = inodes.find(id);
    if (node == inodes.end() || node->second.type != InodeType::kDirectory) {
      return std::nullopt;
    }
    const auto& entries = durable ? node->second.entries_durable : node->second.entries_now;
    const auto it = entries.find(name);
    if (it == entries.end()) {
      return std::nullopt;
    }
    id = it->second;
  }
  return id;
}

std::optional<NameOp::Side> State::find_parent(const std::string& path) const {
  const std::string clean = normalized(path);
  const std::size_t slash = clean.rfind('/');
  const auto directory = find(clean.substr(0, std::max<std::size_t>(slash, 1)));
  if (!directory || clean.size() == 1 || at(*directory).type != InodeType::kDirectory) {
    return std::nullopt;
  }
  return NameOp::Side{*directory, clean.substr(slash + 1)};
}

namespace {

constexpr std::uint64_t kPageBytes = SparseBytes::kPageBytes;

bool is_reserved(const Inode& inode, std::uint64_t offset) {
  auto at = inode.reserved_now.upper_bound(offset);
  return at != inode.reserved_now.begin() && (--at)->second > offset;
}

bool is_below(const std::string& directory, const std::string& path) {
  return normalized(path).starts_with(normalized(directory) + "/");
}

}  // namespace

std::uint64_t State::allocated_bytes(const Inode& inode) const {
  std::uint64_t bytes = inode.now.allocated_bytes();
  for (const auto& [begin, end] : inode.reserved_now) {
    for (std::uint64_t at = begin; at < end; at += kPageBytes) {
      if (inode.now.is_hole(at)) bytes += kPageBytes;
    }
  }
  return bytes;
}

std::uint64_t State::used_bytes(const std::string& directory) const {
  const auto id = find(directory);
  if (!id) return 0;
  std::uint64_t bytes = 0;
  std::vector<InodeId> open = {*id};
  while (!open.empty()) {
    const Inode& inode = at(open.back());
    open.pop_back();
    bytes += inode.type == InodeType::kFile ? allocated_bytes(inode) : 0;
    for (const auto& [name, child] : inode.entries_now) open.push_back(child);
  }
  return bytes;
}

bool State::has_room(const std::string& path, const Inode& inode, Extent extent) const {
  if (!limited || !is_below(limited->directory, path)) return true;
  std::uint64_t wanted = 0;
  for (std::uint64_t at = align_down(extent.offset, kPageBytes); at < extent.end();
       at += kPageBytes) {
    if (inode.now.is_hole(at) && !is_reserved(inode, at)) wanted += kPageBytes;
  }
  return wanted == 0 || used_bytes(limited->directory) + wanted <= limited->capacity_bytes;
}

namespace {

void add(XXH3_state_t& hash, std::uint64_t value) {
  XXH3_64bits_update(&hash, &value, sizeof value);
}

void add(XXH3_state_t& hash, const State& state, InodeId id) {
  const Inode& inode = state.at(id);
  add(hash, static_cast<std::uint64_t>(inode.type));
  add(hash, inode.now.fingerprint());
  for (const auto& [name, child] : inode.entries_now) {
    add(hash, name.size());
    XXH3_64bits_update(&hash, name.data(), name.size());
    add(hash, state, child);
  }
}

}  // namespace

std::uint64_t fingerprint(const State& state) {
  XXH3_state_t hash;
  XXH3_64bits_reset(&hash);
  add(hash, state, kRootInode);
  if (state.beside) add(hash, state.beside->fingerprint());
  return XXH3_64bits_digest(&hash);
}

void apply(SparseBytes& image, const DataOp& op, Extent part) {
  const Extent whole = op.logged.extent;
  if (op.logged.kind == OpKind::kTruncate) {
    image.resize(whole.offset);
    return;
  }
  const std::uint64_t begin = std::max(whole.offset, part.offset);
  const std::uint64_t end = std::min(whole.end(), part.end());
  if (begin >= end) {
    return;
  }
  if (op.logged.kind == OpKind::kWrite) {
    image.write(begin, std::span(*op.bytes).subspan(begin - whole.offset, end - begin));
  } else {
    image.zero({begin, end - begin});
  }
}

void apply(State& state, const NameOp& op, std::map<std::string, InodeId> Inode::*member) {
  if (op.removed.directory != 0) {
    auto& entries = state.at(op.removed.directory).*member;
    const auto it = entries.find(op.removed.name);
    if (it != entries.end() && it->second == op.inode) {
      entries.erase(it);
    }
  }
  if (op.added.directory != 0) {
    (state.at(op.added.directory).*member)[op.added.name] = op.inode;
  }
}

}  // namespace blkrewind::sim
