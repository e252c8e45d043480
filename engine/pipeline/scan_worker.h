// Reads the candidates of a device, digests them and compares them with what trees say; captures
// what none of them holds.
//
// A sector that the medium cannot read (io::means_bad_sector) ends nothing: what was asked for is
// read again chunk by chunk, then piece by piece, so that only what is really bad is lost. A chunk
// with such a piece differs by definition; captured, it holds a mark there
// (unreadable_placeholder.h). The result names the pieces, and the caller decides. A device or file
// that ends early is an error.
//
// A worker belongs to one thread and has a queue of its own. Several workers share a scan: tasks
// and results are values that pass between them and the coordinating thread (worker_pool.h).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/node.h"
#include "format/placement.h"
#include "io/env.h"
#include "pipeline/candidate_source.h"

namespace blkrewind::pipeline {

// What the trees say about the leaf. The first reference is the one that "changed" is measured
// against; a chunk that equals a later one is changed but need not be stored again.
struct ScanTask {
  std::uint64_t sequence = 0;
  Candidate candidate;
  std::vector<format::Entries> references;  // at least one
};

struct ScanResult {
  std::uint64_t sequence = 0;
  std::uint64_t leaf = 0;
  format::Entries entries{};    // of the device now
  format::Entries reference{};  // the first reference
  ChunkSet differing;           // those of `entries` that are not as `reference` says
  ChunkSet foreign;             // those that equal none of the references
  std::uint64_t scanned_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t foreign_bytes = 0;  // of chunks that equal none of the references
  std::vector<Extent> unreadable;   // of the device, ascending
  int unreadable_errno = 0;
};

struct ScanSettings {
  io::File* device = nullptr;
  format::Geometry geometry;
  const DigestSecret* secret = nullptr;
  format::Reserve reserve = {};  // empty: nothing is captured, new chunks are kAbsent
  std::string mark = {};         // new for each operation: what marks of unreadable sectors say
};

class ScanWorker {
 public:
  using Task = ScanTask;
  using Result = ScanResult;

  ScanWorker(std::unique_ptr<io::Queue> queue, const ScanSettings& settings);

  // Whether add() would lead to a request at once.
  [[nodiscard]] bool wants_task() const;
  void add(Task task);
  // Nothing under way.
  [[nodiscard]] bool idle() const { return jobs_.empty(); }
  // Submits what can be, waits for at least one completion, handles what has come. Not while idle.
  // After an error: drain(), then destroy.
  [[nodiscard]] Status step();
  // Waits for everything in flight, whatever it says.
  void drain();
  // Finished tasks since the last call.
  [[nodiscard]] std::vector<Result> take_results();

 private:
  struct Job {
    Task task;
    Result result;
    std::uint64_t next_chunk = 0;  // within the leaf: where the next read begins
    std::uint32_t outstanding = 0;
    bool issued = false;  // all reads are submitted
  };
  // One slot: a run of chunks that is read, digested, and perhaps written to the store.
  struct Transfer {
    Job* job = nullptr;
    std::uint64_t first = 0;  // chunk within the leaf
    std::uint64_t count = 0;
    Extent extent;             // of the device
    std::uint32_t writes = 0;  // outstanding
    struct Write {
      io::File* file = nullptr;
      Extent extent;
    };
    std::vector<Write> captured;
    // Reading again what could not be read as a whole.
    bool salvaging = false;
    std::vector<Extent> pieces;      // of the device
    std::uint32_t pieces_ahead = 0;  // not answered yet
    std::vector<Extent> unreadable;
  };

  [[nodiscard]] Status submit_batch();
  void issue_reads();
  [[nodiscard]] bool issue_read(Job& job);
  [[nodiscard]] Status handle(const io::Completion& completion);
  void salvage(std::uint32_t slot, const Extent& extent, std::uint64_t piece_bytes);
  [[nodiscard]] Status salvaged(std::uint32_t slot, std::size_t piece,
                                const io::Completion& completion);
  [[nodiscard]] Status digest_chunks(std::uint32_t slot);
  [[nodiscard]] Status capture(std::uint32_t slot, std::uint64_t first, std::uint64_t count);
  void release(std::uint32_t slot);
  void retire_jobs();
  void note_foreign(Job& job, std::uint64_t in_leaf) const;

  std::unique_ptr<io::Queue> queue_;
  const ScanSettings settings_;
  std::deque<std::unique_ptr<Job>> jobs_;
  std::vector<Transfer> transfers_;  // by slot
  std::vector<std::uint32_t> free_slots_;
  std::vector<io::Request> batch_;
  std::vector<io::Completion> completions_;
  std::vector<Result> results_;
};

}  // namespace blkrewind::pipeline
