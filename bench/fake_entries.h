// Entries and secrets that look like real ones, from a fixed seed.
#pragma once

#include <cstdint>
#include <random>

#include "base/digest.h"
#include "format/node.h"

namespace blkrewind::bench {

using Random = std::mt19937_64;

[[nodiscard]] inline DigestSecret fake_secret() {
  Random random(7);
  DigestSecret secret;
  for (std::byte& byte : secret) byte = static_cast<std::byte>(random());
  return secret;
}

// A stored chunk of the default size; its place is never read.
[[nodiscard]] inline format::Entry fake_entry(Random& random) {
  format::Entry entry;
  entry.state = format::EntryState::kStored;
  entry.segment = 1;
  entry.block = static_cast<std::uint32_t>(random() | 1);
  entry.length_bytes = kDefaultChunkBytes;
  entry.digest = {random(), random() | 1};
  return entry;
}

[[nodiscard]] inline format::Node fake_leaf(Random& random, std::uint64_t index) {
  format::Node node;
  node.index = index;
  for (format::Entry& entry : node.entries) entry = fake_entry(random);
  return node;
}

}  // namespace blkrewind::bench
