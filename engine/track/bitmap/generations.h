// The two generations of dirty bits shared by the program in the kernel and an operation of the
// engine.
//
// One generation is *active*: the program sets bits in it. An operation freezes it and activates
// the other one, which is empty, so that the bits it reads do not change and no concurrent write is
// lost. A generation has a base, the snapshot that the device equalled when its recording started.
// The guarantee of tracker.h becomes:
//
//   the device differs from base(active) at most where the active generation has dirty bits;
//   from base(frozen), while there is one, at most where either generation has.
//
// States, by (base of active, base of the other):
//
//   (S, -)   at rest
//   (-, -)   at rest, invalid
//   (-, S)   an operation is running, or died: both together are the changes since S
//   (T, S)   commit() or a merge died half-way: both statements above hold
//
// Every step below is one store of an id or of `active`, with a full barrier between them, so that
// a process may be killed at any step. Ids are written so that a half-written one equals no other.
//
// Own writes. The writes of an operation also set dirty bits, and would be read again next time.
// commit() drops those bits if it is certain that no other process wrote: the program counts
// sectors submitted by this process, submitted by others, and completed, from before the other
// generation became active until after it stopped being active. If others submitted none, and
// exactly as many sectors were completed as this operation knows that it wrote, all bits are its
// own. (The unit is the process: an embedding program must not write to a device that it has rolled
// back.)
//
// This process may submit more than it knows of: its flush of the device writes back data that
// other processes left in the cache; that is completed as well, and then the bits are kept. A write
// that would have had to wait (REQ_NOWAIT) is submitted twice and completed once.
//
// Not thread-safe; the disk's lock is held. The program may run at any time on any processor.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "blkrewind/units.h"
#include "track/bitmap/kernel/changes_abi.h"
#include "track/bitmap/mark_sets.h"

namespace blkrewind::track {

class Generations {
 public:
  // As of MarkSets.
  Generations(blkrewind_control& control, std::span<std::uint64_t> bits,
              std::span<blkrewind_bucket> under_way = {});

  // Recovers from an operation that died, based on the base snapshot in the log. Afterwards at
  // rest.
  void recover(const std::string& base_snapshot);

  // Why begin(base_snapshot) would find the tracker invalid; empty: it is valid. Changes nothing.
  [[nodiscard]] std::optional<std::string> why_not(const std::string& base_snapshot) const;

  // Freezes. Empty: the frozen bits are the changes since `base_snapshot`. A text: why they are
  // not.
  [[nodiscard]] std::optional<std::string> begin(const std::string& base_snapshot, bool writes);

  // The first run of dirty bits at or after `granule` in the frozen generation (at rest: in the
  // active one), as granules; empty: none.
  [[nodiscard]] Extent marked(std::uint64_t granule) const;
  [[nodiscard]] std::uint64_t count_dirty() const;  // of both

  void wrote(std::uint64_t bytes) { own_bytes_ += bytes; }  // since begin()
  // `keep_all`: the bits set before begin() stay valid.
  void prepare(const std::string& id, bool keep_all);
  void commit();
  void abandon();
  // Invalidates the tracker.
  void forget(const std::string& why);

 private:
  [[nodiscard]] std::uint32_t active() const { return sets_.active(); }
  [[nodiscard]] std::uint32_t other() const { return sets_.other(); }
  [[nodiscard]] std::optional<std::string> why_no_base(const std::string& base,
                                                       const std::string& base_snapshot) const;
  [[nodiscard]] bool only_we_wrote() const;
  void merge_other_into_active();
  void set_base(std::uint32_t generation, const std::string& id);

  blkrewind_control& control_;
  MarkSets sets_;
  bool frozen_ = false;
  bool writes_ = false;
  std::uint64_t own_bytes_ = 0;
  std::string prepared_;
  bool keep_all_ = false;
};

}  // namespace blkrewind::track
