#include "support/simulated_state.h"

#include <algorithm>
#include <filesystem>
#include <span>

namespace blkrewind::sim {

State::State() { inodes[kRootInode].type = InodeType::kDirectory; }

std::string normalized(const std::string& path) {
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
  const std::filesystem::path clean = normalized(path);
  for (const auto& name : clean.relative_path()) {
    const auto node = inodes.find(id);
    if (node == inodes.end() || node->second.type != InodeType::kDirectory) {
      return std::nullopt;
    }
    const auto& entries = durable ? node->second.entries_durable : node->second.entries_now;
    const auto it = entries.find(name.string());
    if (it == entries.end()) {
      return std::nullopt;
    }
    id = it->second;
  }
  return id;
}

std::optional<NameOp::Side> State::find_parent(const std::string& path) const {
  const std::filesystem::path clean = normalized(path);
  const auto directory = find(clean.parent_path().string());
  if (!directory || !clean.has_filename() || at(*directory).type != InodeType::kDirectory) {
    return std::nullopt;
  }
  return NameOp::Side{*directory, clean.filename().string()};
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
