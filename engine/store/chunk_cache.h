// Chunks that were read last, verified, for all readers of a store; and which ones are being read
// now, so that each is read once. Thread-safe.
//
// The key is the digest, which is keyed with the store's secret and binds the index of the chunk:
// what has it has these bytes, in whichever snapshot and segment.
//
//   found  the bytes are here
//   mine   the caller reads it, and calls publish() or give_up()
//   busy   another thread reads it: wait() for it, but first finish the chunks that are the
//          caller's own, so that no two threads wait for each other
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>

#include "base/aligned_buffer.h"
#include "base/digest.h"
#include "base/lru.h"

namespace blkrewind::store {

class ChunkCache {
 public:
  using Bytes = std::shared_ptr<const AlignedBuffer>;
  enum class Turn : std::uint8_t { kFound, kMine, kBusy };
  struct Sought {
    Turn turn = Turn::kBusy;
    Bytes bytes;  // kFound
  };

  explicit ChunkCache(std::uint64_t max_bytes) : chunks_(max_bytes) {}

  // Does not wait.
  [[nodiscard]] Sought seek(const Digest& digest);
  // Until it is found or the caller's turn; never kBusy.
  [[nodiscard]] Sought wait(const Digest& digest);
  // Ends the caller's turn.
  void publish(const Digest& digest, Bytes bytes);
  // Ends it without bytes: it is the turn of the next one.
  void give_up(const Digest& digest);

 private:
  [[nodiscard]] Sought seek_locked(const Digest& digest);

  struct Less {
    bool operator()(const Digest& one, const Digest& other) const {
      return one.high != other.high ? one.high < other.high : one.low < other.low;
    }
  };

  std::mutex mutex_;
  std::condition_variable ended_;
  Lru<Digest, AlignedBuffer, Less> chunks_;
  std::set<Digest, Less> being_read_;
};

}  // namespace blkrewind::store
