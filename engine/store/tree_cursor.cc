#include "store/tree_cursor.h"

namespace blkrewind::store {

TreeCursor::TreeCursor(TreeReader& reader, const Tree& tree) : reader_(reader), tree_(tree) {}

Result<format::Entry> TreeCursor::entry(std::uint32_t level, std::uint64_t index) {
  if (level >= tree_.geometry.height()) return tree_.root;
  BLKREWIND_ASSIGN(const format::Node* parent, node(level, index >> format::kFanoutBits));
  if (parent == nullptr) return format::Entry{};
  return parent->entries[index % format::kFanout];
}

Result<const format::Node*> TreeCursor::node(std::uint32_t level, std::uint64_t index) {
  std::optional<format::Node>& here = path_[level];
  if (here && here->index == index) return &*here;
  BLKREWIND_ASSIGN(const format::Entry from, entry(level + 1, index));
  if (from.is_zero()) return static_cast<const format::Node*>(nullptr);
  here.reset();
  BLKREWIND_ASSIGN(format::Node loaded, reader_.load(from, level, index));
  BLKREWIND_TRY(format::check_node_end(loaded, tree_.geometry));
  here = std::move(loaded);
  return &*here;
}

Result<const format::Entries*> TreeCursor::leaf(std::uint64_t index) {
  BLKREWIND_ASSIGN(const format::Node* found, node(0, index));
  return found == nullptr ? nullptr : &found->entries;
}

}  // namespace blkrewind::store
