// Brings plan items to a device: read from the store, verify every digest, write. Or, without a
// device, only reads and verifies.
//
// An item with a chunk that fails is not written, not even in part; its Result names the chunks,
// and tells damage (the digest does not match, or the segment ends before the chunk) from a store
// that cannot be read now, which says nothing about the chunk. A device that cannot be written is
// an error of step(). Lanes and threads: as track/scan_worker.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "io/env.h"
#include "pipeline/planner.h"

namespace blkrewind::pipeline {

struct RestoreTask {
  std::uint64_t sequence = 0;
  PlanItem item;
  // One for each chunk: the segment that holds it.
  std::vector<std::shared_ptr<io::File>> files;
};

struct BadChunk {
  std::uint64_t chunk = 0;
  format::Entry source;
  // 0: damage. Else it could not be read, and may be whole.
  int sys_errno = 0;
  // Of damage: its segment is gone or ends before it. Else its digest does not match.
  bool missing = false;

  [[nodiscard]] bool is_damage() const { return sys_errno == 0; }
};

struct RestoreResult {
  std::uint64_t sequence = 0;
  Extent device;
  bool zero = false;
  std::uint64_t chunks = 0;
  std::uint64_t written_bytes = 0;  // verify only: that would be
  std::vector<BadChunk> bad;
};

struct RestoreSettings {
  io::File* device = nullptr;  // nullptr: verify only
  format::Geometry geometry;
  const DigestSecret* secret = nullptr;
  // Not 0: what stands on the device is read, and only blocks of this size that differ from what
  // shall stand there are written. A worker that meets little that is equal stops looking.
  std::uint32_t compare_block_bytes = 0;
  // Where store and device share a file system with reflink, the device gets the store's very
  // blocks. A worker that meets a pair of files that cannot does it no more.
  bool share = false;
  // Every chunk was read and verified a moment ago, by the same operation: what is shared need not
  // be read again.
  bool verified = false;
};

class RestoreWorker {
 public:
  using Task = RestoreTask;
  using Result = RestoreResult;

  RestoreWorker(std::unique_ptr<io::Queue> queue, const RestoreSettings& settings);

  [[nodiscard]] bool wants_task() const { return !free_slots_.empty(); }
  void add(Task task);
  [[nodiscard]] bool idle() const { return free_slots_.size() == transfers_.size(); }
  [[nodiscard]] Status step();
  void drain();
  [[nodiscard]] std::vector<Result> take_results();

 private:
  struct Read {
    std::size_t first = 0;  // of the item's chunks
    std::size_t count = 0;
    io::File* file = nullptr;
    Extent extent;
    std::uint64_t buffer_offset = 0;
  };
  struct SlotWork {
    Task task;
    Result result;
    std::vector<Read> reads;
    std::uint32_t outstanding = 0;
    enum class Phase : std::uint8_t { kReadStore, kReadDevice, kWrite } phase = Phase::kReadStore;
    std::vector<Extent> writes;  // of the device
  };
  using Phase = SlotWork::Phase;

  [[nodiscard]] Status submit_batch();
  [[nodiscard]] Status handle(const io::Completion& completion);
  void plan_reads(SlotWork& transfer) const;
  void read_done(std::uint32_t slot, std::size_t read, const io::Completion& completion);
  [[nodiscard]] bool wants_to_compare(const SlotWork& transfer, std::uint32_t slot) const;
  // What differs between what was verified and what stands on the device.
  void plan_differing_writes(std::uint32_t slot);
  void issue_writes(std::uint32_t slot);
  // Whether the device has the item's bytes now.
  [[nodiscard]] bool share(SlotWork& transfer);
  void issue_reads(std::uint32_t slot);
  [[nodiscard]] std::byte* current_bytes(std::uint32_t slot);
  void finish(std::uint32_t slot);

  std::unique_ptr<io::Queue> queue_;
  const RestoreSettings settings_;
  std::vector<SlotWork> transfers_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<io::Request> batch_;
  std::vector<io::Completion> completions_;
  std::vector<Result> results_;
  std::uint64_t compared_bytes_ = 0;
  std::uint64_t differing_bytes_ = 0;  // of them
  bool shares_;
};

}  // namespace blkrewind::pipeline
