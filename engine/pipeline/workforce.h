// The number of workers for a device, and their memory. Pure.
//
// All buffers of an operation together use at most Means::buffer_bytes, so that the process stays
// below 64 MiB whatever the size of the device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>

#include "blkrewind/units.h"
#include "io/env.h"
#include "pipeline/chunk_list.h"

namespace blkrewind::pipeline {

// The resources of the machine that an operation may use.
struct Means {
  unsigned threads = 0;  // 0: as many as there are cores, at most 4
  // Of all workers together, but at least one slot per worker.
  std::uint64_t buffer_bytes = kDefaultBufferBytes;
  std::size_t list_leaves = ChunkList::kLeavesInMemory;  // of what differs, in memory
};

struct Workforce {
  unsigned workers = 1;
  std::uint32_t slots = 1;  // per worker
  std::uint32_t slot_bytes = 0;

  static constexpr std::uint32_t kSlotBytes = 1 * kMiB;
  static constexpr unsigned kWorkersMax = 4;
  // Below this a second thread costs more than it gains.
  static constexpr std::uint64_t kBytesPerWorker = 16 * kMiB;

  static constexpr std::uint64_t kUsesPerSlot = 4;
  static constexpr std::uint64_t kSlotsMin = 16;  // of all workers together, if there is work

  // `work_bytes`: the number of bytes to read.
  [[nodiscard]] static Workforce plan(const Means& means, std::uint64_t work_bytes) {
    Workforce force;
    const unsigned wanted =
        means.threads != 0
            ? means.threads
            : std::min(kWorkersMax, std::max(1U, std::thread::hardware_concurrency()));
    const std::uint64_t useful = std::max<std::uint64_t>(1, work_bytes / kBytesPerWorker);
    force.workers = static_cast<unsigned>(std::min<std::uint64_t>(wanted, useful));
    force.slot_bytes = kSlotBytes;
    const std::uint64_t slots = means.buffer_bytes / kSlotBytes / force.workers;
    // Each slot is used several times, otherwise creating it costs more than it gains; but a device
    // that is read in single chunks needs many requests in flight.
    const std::uint64_t all = (work_bytes + kSlotBytes - 1) / kSlotBytes;
    const std::uint64_t wanted_slots = std::min(all, std::max(kSlotsMin, all / kUsesPerSlot));
    const std::uint64_t needed = std::max<std::uint64_t>(1, wanted_slots / force.workers);
    force.slots = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, std::min(slots, needed)));
    return force;
  }

  [[nodiscard]] io::QueueOptions queue_options() const {
    // A slot may serve several requests at once: the pieces of which its content is gathered.
    return {.depth = std::max(32U, 2 * slots), .slots = slots, .slot_bytes = slot_bytes};
  }
};

}  // namespace blkrewind::pipeline
