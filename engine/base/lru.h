// The values that were used last, up to a number of bytes. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <utility>

namespace blkrewind {

template <class Key, class Value, class Less = std::less<Key>>
class Lru {
 public:
  using Held = std::shared_ptr<const Value>;

  explicit Lru(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Null: not here.
  [[nodiscard]] Held find(const Key& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    by_use_.splice(by_use_.begin(), by_use_, found->second);
    return by_use_.front().value;
  }
  // In place of the former value of this key. Drops what was used the longest ago; a value that is
  // larger than the bound is not kept.
  void insert(const Key& key, Held value, std::uint64_t bytes) {
    if (const auto found = places_.find(key); found != places_.end()) drop(found->second);
    if (bytes > max_bytes_) return;
    while (bytes_ + bytes > max_bytes_) drop(std::prev(by_use_.end()));
    by_use_.push_front({key, std::move(value), bytes});
    places_[key] = by_use_.begin();
    bytes_ += bytes;
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  struct Item {
    Key key;
    Held value;
    std::uint64_t bytes = 0;
  };
  using Place = typename std::list<Item>::iterator;

  void drop(Place place) {
    bytes_ -= place->bytes;
    places_.erase(place->key);
    by_use_.erase(place);
  }

  const std::uint64_t max_bytes_;
  std::uint64_t bytes_ = 0;
  std::list<Item> by_use_;  // last used first
  std::map<Key, Place, Less> places_;
};

}  // namespace blkrewind
