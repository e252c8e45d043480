// Tree nodes: the struct, and its 4096 bytes. docs/FORMAT.md, "Node".
//
// A node's digest is computed over the digests of its children only: two snapshots of equal content
// have equal root digests wherever their bytes are stored, and a diff skips equal subtrees. The
// locations of the children are covered by the node's checksum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/entry.h"
#include "format/geometry.h"

namespace blkrewind::format {

inline constexpr std::size_t kNodeBytes = 4096;

using Entries = std::array<Entry, kFanout>;

struct Node {
  std::uint32_t level = 0;
  std::uint64_t index = 0;  // within its level
  Entries entries;

  [[nodiscard]] bool is_zero() const;
};

// Whether a node of this level may contain the entry: zero entries have no location, stored ones
// have a location and a length, and the entries of an inner node refer to whole nodes.
[[nodiscard]] bool is_sound_entry(const Entry& entry, std::uint32_t level);

[[nodiscard]] Digest node_digest(const DigestSecret& secret, const Node& node);

// Binds the geometry to the root node's digest: shown in a receipt, and recomputed by `verify`.
[[nodiscard]] Digest root_digest(const DigestSecret& secret, const Geometry& geometry,
                                 const Digest& root_node);

void encode_node(const DigestSecret& secret, const Node& node,
                 std::span<std::byte, kNodeBytes> out);

// Checks magic, checksum, position (`level`, `index`), the content digest and every entry's bounds.
// kIntegrity if any of them is wrong.
[[nodiscard]] Result<Node> decode_node(const DigestSecret& secret,
                                       std::span<const std::byte, kNodeBytes> bytes,
                                       std::uint32_t level, std::uint64_t index,
                                       const Digest& expected);
// kIntegrity if an entry of the node is for chunks beyond the end of the device.
[[nodiscard]] Status check_node_end(const Node& node, const Geometry& geometry);

}  // namespace blkrewind::format
