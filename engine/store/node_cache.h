// Tree nodes that were read last, decoded and verified, for all readers of a store. Thread-safe.
//
// The key is the place in the store: equal digests do not make two nodes equal, because they say
// nothing about where the children are. A place is written once, and segment numbers are never
// reused.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <tuple>

#include "base/lru.h"
#include "format/node.h"
#include "format/records.h"

namespace blkrewind::store {

class NodeCache {
 public:
  // Disk, segment, block.
  using Place = std::tuple<format::DiskNumber, std::uint32_t, std::uint32_t>;

  explicit NodeCache(std::uint64_t max_bytes) : nodes_(max_bytes) {}

  // Null: not here, or another node than this one.
  [[nodiscard]] std::shared_ptr<const format::Node> find(const Place& place, const Digest& digest) {
    const std::lock_guard lock(mutex_);
    const auto found = nodes_.find(place);
    if (!found || found->digest != digest) return nullptr;
    return {found, &found->node};
  }
  void add(const Place& place, const Digest& digest, const format::Node& node) {
    auto verified = std::make_shared<const Verified>(Verified{digest, node});
    const std::lock_guard lock(mutex_);
    nodes_.insert(place, std::move(verified), sizeof(Verified));
  }

 private:
  struct Verified {
    Digest digest;
    format::Node node;
  };
  std::mutex mutex_;
  Lru<Place, Verified> nodes_;
};

}  // namespace blkrewind::store
