// A store on the simulated machine, with trees whose content a map predicts.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/home/local_home.h"
#include "store/store.h"
#include "store/tree_builder.h"
#include "store/tree_cursor.h"
#include "store/tree_reader.h"
#include "support/simulated_env.h"
#include "support/simulated_random.h"

namespace blkrewind::store {

// The value, or an exception, which fails the test.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}
inline void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

// Adds a disk to the store, and returns its history.
[[nodiscard]] inline std::shared_ptr<History> add_disk(Store& store, const std::string& id) {
  format::DiskNumber added = 0;
  must(store.add_disk([&](const State&, format::DiskNumber number) -> Result<format::Transaction> {
    format::DiskRecord disk;
    disk.number = added = number;
    disk.id = id;
    return format::Transaction{disk};
  }));
  return must(store.history(added));
}

// A store with one disk, number 1.
class StoreTest : public testing::Test {
 protected:
  static constexpr const char* kPath = "/store";

  void SetUp() override {
    must(Store::create(env_, kPath));
    store_ = must(Store::open(env_, kPath));
    history_ = add_disk(*store_, "d-1");
  }

  std::unique_ptr<io::Queue> queue() { return must(env_.make_queue({.depth = 16})); }

  sim::SimulatedEnv env_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<History> history_;
  const LocalLayout layout_{kPath};
};

// The expected content of a tree: the chunks that are not zero.
using Model = std::map<std::uint64_t, format::Entry>;

// An entry that no other call returns: the tree does not check whether bytes are stored there.
[[nodiscard]] inline format::Entry new_chunk(std::uint64_t& token) {
  ++token;
  return {format::EntryState::kStored,
          format::Codec::kNone,
          static_cast<std::uint32_t>(1'000'000 + token),
          1,
          4096,
          {token, 1}};
}

[[nodiscard]] inline format::Entries leaf_of(const Model& model, std::uint64_t leaf) {
  format::Entries entries{};
  const std::uint64_t first = leaf * format::kFanout;
  for (auto at = model.lower_bound(first); at != model.end() && at->first < first + format::kFanout;
       ++at) {
    entries[at->first - first] = at->second;
  }
  return entries;
}

// Chunk -> (before, after), where the digests differ.
using Changes = std::map<std::uint64_t, std::pair<format::Entry, format::Entry>>;

[[nodiscard]] inline Changes changes_between(const Model& from, const Model& to) {
  Changes changes;
  for (const auto& [chunk, entry] : from) changes[chunk].first = entry;
  for (const auto& [chunk, entry] : to) changes[chunk].second = entry;
  std::erase_if(changes,
                [](const auto& c) { return c.second.first.digest == c.second.second.digest; });
  return changes;
}

// A location: segment and block.
using Place = std::pair<std::uint32_t, std::uint32_t>;
// Level (-1 for chunks), index -> location, of everything that a tree refers to.
using Extents = std::map<std::pair<int, std::uint64_t>, Place>;

inline void collect(TreeReader& reader, const format::Entry& entry, int level, std::uint64_t index,
                    Extents& out) {
  if (entry.is_zero()) return;
  out[{level, index}] = {entry.segment, entry.block};
  if (level < 0) return;
  const auto node = must(reader.load(entry, static_cast<std::uint32_t>(level), index));
  for (std::uint32_t i = 0; i < format::kFanout; ++i) {
    collect(reader, node.entries[i], level - 1, index * format::kFanout + i, out);
  }
}

[[nodiscard]] inline Extents extents_of(TreeReader& reader, const Tree& tree) {
  Extents extents;
  collect(reader, tree.root, static_cast<int>(tree.geometry.height()) - 1, 0, extents);
  return extents;
}

}  // namespace blkrewind::store
