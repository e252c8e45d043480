// A store in a temporary directory (in memory if there is /dev/shm), with trees that refer to
// chunks that were never stored: for benchmarks that read and write nodes only.
//
// One thread. An error ends the program.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "format/node.h"
#include "io/env.h"
#include "store/store.h"
#include "store/tree_cursor.h"

namespace blkrewind::bench {

class ScratchTrees {
 public:
  ScratchTrees();
  ~ScratchTrees();
  ScratchTrees(const ScratchTrees&) = delete;
  ScratchTrees& operator=(const ScratchTrees&) = delete;

  [[nodiscard]] store::History& history() { return *history_; }
  [[nodiscard]] io::Queue& queue() { return *queue_; }

  // Every chunk stored, its digest from `seed`. Its nodes are in the store, flushed.
  [[nodiscard]] store::Tree full_tree(std::uint64_t chunks, std::uint64_t seed);
  // `base` with other digests for these chunks.
  [[nodiscard]] store::Tree changed_tree(const store::Tree& base,
                                         const std::set<std::uint64_t>& chunks, std::uint64_t seed);

 private:
  std::string folder_;
  std::unique_ptr<io::Env> env_;
  std::unique_ptr<store::Store> store_;
  std::shared_ptr<store::History> history_;
  std::unique_ptr<io::Queue> queue_;
};

// So many different chunks, anywhere below `chunks`, or one in each of as many equal parts.
[[nodiscard]] std::set<std::uint64_t> random_chunks(std::uint64_t chunks, std::uint64_t count,
                                                    std::uint64_t seed);
[[nodiscard]] std::set<std::uint64_t> spread_chunks(std::uint64_t chunks, std::uint64_t count);

// Ends the program with the error.
[[noreturn]] void give_up(const Error& error);

template <class T>
[[nodiscard]] T must(Result<T> result) {
  if (!result) give_up(result.error());
  return std::move(*result);
}
inline void must(const Status& status) {
  if (!status) give_up(status.error());
}

}  // namespace blkrewind::bench
