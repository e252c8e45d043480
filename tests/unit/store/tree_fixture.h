// Trees of random content, each made from an earlier one, for tests of tree walks.
#pragma once

#include "unit/store/store_fixture.h"

namespace blkrewind::store {

struct GrownTree {
  Tree tree;
  Model model;
};

class TreeTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    queue_ = queue();
    reader_ = std::make_unique<TreeReader>(history_->files(), *queue_, store_->secret());
  }

  // `base` with the leaves put; its segments are sealed and kept. Counts the nodes written.
  GrownTree build(const format::Geometry& geometry, const GrownTree* base, const Model& model,
                  const std::set<std::uint64_t>& leaves) {
    auto writer = must(history_->make_writer());
    TreeReader reader(history_->files(), *queue_, store_->secret(), writer.get());
    std::unique_ptr<TreeCursor> cursor;
    if (base != nullptr) cursor = std::make_unique<TreeCursor>(reader, base->tree);
    TreeBuilder builder(geometry, cursor.get(), *writer, *queue_);
    for (const std::uint64_t leaf : leaves) must(builder.put(leaf, leaf_of(model, leaf)));
    GrownTree grown{{geometry, must(builder.finish())}, model};
    must(writer->seal(*queue_));
    writer->keep();
    nodes_written_ = 0;
    for (const auto& segment : writer->records()) {
      nodes_written_ += segment.live_bytes / format::kNodeBytes;
    }
    // The next writer must not take the same numbers.
    must(history_->log().update([&](const State& state) -> Result<format::Transaction> {
      format::Counters counters = state.counters;
      counters.next_segment = writer->next_segment();
      return format::Transaction{counters};
    }));
    return grown;
  }

  // A few random chunks of a few random leaves, near each other and far apart, become new or zero.
  GrownTree grow(const format::Geometry& geometry, const GrownTree* base) {
    Model model;
    if (base != nullptr) model = base->model;
    std::set<std::uint64_t> leaves;
    const std::uint64_t spread = random_.percent(50)
                                     ? geometry.leaf_count()
                                     : std::min<std::uint64_t>(geometry.leaf_count(), 300);
    for (std::uint64_t i = random_.below(12); i > 0; --i) leaves.insert(random_.below(spread));
    if (random_.percent(30)) leaves.insert(geometry.leaf_count() - 1);
    if (base != nullptr && random_.percent(50)) {
      // Where there is data already.
      for (const auto& [chunk, entry] : base->model) {
        if (random_.percent(5)) leaves.insert(chunk / format::kFanout);
      }
    }
    for (const std::uint64_t leaf : leaves) {
      if (random_.percent(20)) {  // all of it becomes zero
        model.erase(model.lower_bound(leaf * format::kFanout),
                    model.lower_bound((leaf + 1) * format::kFanout));
        continue;
      }
      for (std::uint64_t i = random_.below(20); i > 0; --i) {
        const std::uint64_t first = leaf * format::kFanout;
        const std::uint64_t chunk = first + random_.below(std::min<std::uint64_t>(
                                                format::kFanout, geometry.chunk_count() - first));
        if (random_.percent(30)) {
          model.erase(chunk);
        } else {
          model[chunk] = new_chunk(token_);
        }
      }
    }
    return build(geometry, base, model, leaves);
  }

  sim::Random random_{1};
  std::uint64_t token_ = 0;
  std::uint64_t nodes_written_ = 0;
  std::unique_ptr<io::Queue> queue_;
  std::unique_ptr<TreeReader> reader_;
};

}  // namespace blkrewind::store
