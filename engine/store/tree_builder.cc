#include "store/tree_builder.h"

#include "base/check.h"

namespace blkrewind::store {

using format::kFanout;
using format::kFanoutBits;

TreeBuilder::TreeBuilder(const format::Geometry& geometry, TreeCursor* base, SegmentWriter& writer,
                         io::Queue& queue)
    : geometry_(geometry), base_(base), writer_(writer), queue_(queue) {
  if (base_ != nullptr) {
    BLKREWIND_CHECK(base_->tree().geometry == geometry_);
    root_ = base_->tree().root;
  }
}

Status TreeBuilder::put(std::uint64_t leaf, const format::Entries& entries) {
  BLKREWIND_CHECK(leaf >= next_leaf_ && leaf < geometry_.leaf_count());
  next_leaf_ = leaf + 1;
  BLKREWIND_TRY(open_path(leaf));
  format::Node node;
  node.index = leaf;
  node.entries = entries;
  BLKREWIND_ASSIGN(const format::Entry entry, finish_node(node));
  set_entry(1, leaf, entry);
  return {};
}

Status TreeBuilder::open_path(std::uint64_t leaf) {
  const std::uint32_t height = geometry_.height();
  for (std::uint32_t level = 1; level < height; ++level) {
    if (open_[level] && open_[level]->index != leaf >> (kFanoutBits * level)) {
      BLKREWIND_TRY(close_level(level));
    }
  }
  for (std::uint32_t level = height - 1; level >= 1; --level) {
    if (open_[level]) continue;
    format::Node node;
    node.level = level;
    node.index = leaf >> (kFanoutBits * level);
    if (base_ != nullptr) {
      BLKREWIND_ASSIGN(const format::Node* old, base_->node(level, node.index));
      if (old != nullptr) node.entries = old->entries;
    }
    open_[level] = node;
  }
  return {};
}

Status TreeBuilder::close_level(std::uint32_t level) {
  BLKREWIND_ASSIGN(const format::Entry entry, finish_node(*open_[level]));
  set_entry(level + 1, open_[level]->index, entry);
  open_[level].reset();
  return {};
}

Result<format::Entry> TreeBuilder::finish_node(const format::Node& node) {
  if (base_ != nullptr) {
    BLKREWIND_ASSIGN(const format::Entry old_entry, base_->entry(node.level + 1, node.index));
    if (!old_entry.is_zero()) {
      BLKREWIND_ASSIGN(const format::Node* old, base_->node(node.level, node.index));
      if (old->entries == node.entries) return old_entry;
    }
  }
  if (node.is_zero()) return format::Entry{};
  return writer_.append_node(queue_, node);
}

void TreeBuilder::set_entry(std::uint32_t level, std::uint64_t index, const format::Entry& entry) {
  if (level >= geometry_.height()) {
    root_ = entry;
  } else {
    open_[level]->entries[index % kFanout] = entry;
  }
}

Result<format::Entry> TreeBuilder::finish() {
  for (std::uint32_t level = 1; level < geometry_.height(); ++level) {
    if (open_[level]) BLKREWIND_TRY(close_level(level));
  }
  return root_;
}

}  // namespace blkrewind::store
