// The queues with which snapshots are read: one for each thread that is reading, a bounded number
// in all, made when they are needed and used again. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "blkrewind/error.h"
#include "io/env.h"

namespace blkrewind::pipeline {

class ReadLanes {
 public:
  // A chunk, or several small ones that are neighbours in the store, is read into one slot.
  static constexpr std::uint32_t kSlotBytes = 256 * kKiB;
  static constexpr std::uint32_t kSlots = 4;
  static constexpr std::size_t kLanesMax = 16;

  struct Lane {
    std::unique_ptr<io::Queue> chunks;  // with slots
    std::unique_ptr<io::Queue> nodes;   // one request at a time
  };

  // Given back by its destructor. The chunks' queue must be idle then, or the lane given up.
  class Held {
   public:
    Held(ReadLanes& lanes, Lane lane) : lanes_(&lanes), lane_(std::move(lane)) {}
    Held(Held&& other) noexcept
        : lanes_(std::exchange(other.lanes_, nullptr)), lane_(std::move(other.lane_)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (lanes_ != nullptr) lanes_->give_back(std::move(lane_));
    }

    [[nodiscard]] io::Queue& chunks() { return *lane_.chunks; }
    [[nodiscard]] io::Queue& nodes() { return *lane_.nodes; }
    // It is not used again.
    void give_up() { lane_ = {}; }

   private:
    friend class ReadLanes;
    ReadLanes* lanes_;
    Lane lane_;
  };

  // `buffer_bytes`: of the slots of all lanes together, as far as that leaves one lane.
  ReadLanes(io::Env& env, std::uint64_t buffer_bytes) : env_(env), buffer_bytes_(buffer_bytes) {}

  // Waits until one is free. Its slots have at least the length of a chunk. The caller must not
  // wait for another thread that may wait for a lane.
  [[nodiscard]] Result<Held> take(std::uint32_t chunk_bytes);

 private:
  void give_back(Lane lane);

  io::Env& env_;
  const std::uint64_t buffer_bytes_;
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<Lane> idle_;
  std::size_t in_use_ = 0;
};

}  // namespace blkrewind::pipeline
