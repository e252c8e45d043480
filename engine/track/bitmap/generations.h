// The two generations of marks that a program in the kernel and an operation of the engine share.
//
// One generation is *active*: the program marks in it. An operation freezes it and makes the other
// one active, empty, so that what it reads stands still while nothing that is written meanwhile is
// lost. A generation has a base, the snapshot that the device equalled when its marks began; the
// promise of tracker.h reads here:
//
//   the device differs from base(active) at most where the active one has marks;
//   from base(frozen), while there is one, at most where either has.
//
// States, by (base of active, base of the other):
//
//   (S, -)   at rest
//   (-, -)   at rest, nothing known
//   (-, S)   an operation is under way, or died: both together are what changed since S
//   (T, S)   commit() or a merge died half way: both sentences above hold
//
// Every step below is one store of an id or of `active`, with a full barrier between, so a process
// may be killed at any of them. Ids are written so that a half-written one equals no other.
//
// Own writes. An operation that writes marks what it writes, which would be read again next time.
// commit() drops those marks when it can tell that nobody else wrote: the program counts sectors
// begun by this process, begun by others, and completed, from before the other generation became
// active until after it stopped being so. None begun by others, and completed exactly what we know
// that we wrote: every mark is ours. ("Us" is the process: an embedder does not write to a device
// that it has rolled back.)
//
// What this process begins may be more than it knows of. When it flushes the device it sends off
// what others left in its cache; that is completed as well, and then the marks are kept. And a
// write that the kernel would have had to wait for (REQ_NOWAIT) is begun twice and completed once.
//
// Not thread-safe; the disk's lock is held. The program may run at any time on any processor.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "blkrewind/units.h"
#include "track/bitmap/kernel/changes_abi.h"

namespace blkrewind::track {

class Generations {
 public:
  // `bits`: of both generations. Shared with the program; both outlive this object.
  Generations(blkrewind_control& control, std::span<std::uint64_t> bits);

  // Puts right what an operation left that died, given what the journal says. Then at rest.
  void settle(const std::string& anchor);

  // Why begin(anchor) would answer that nothing is known; nothing: it is. Changes nothing.
  [[nodiscard]] std::optional<std::string> why_not(const std::string& anchor) const;

  // Freezes. Nothing: the frozen marks hold for `anchor`. A text: why not.
  [[nodiscard]] std::optional<std::string> begin(const std::string& anchor, bool writes);

  // The first run of marks at or after `granule` in the frozen generation (at rest: the active
  // one), as granules; empty: none.
  [[nodiscard]] Extent marked(std::uint64_t granule) const;
  [[nodiscard]] std::uint64_t count_marks() const;  // of both

  void wrote(std::uint64_t bytes) { own_bytes_ += bytes; }  // since begin()
  // `keep_all`: what was marked before begin() still counts.
  void prepare(const std::string& id, bool keep_all);
  void commit();
  void abandon();
  // Nothing is known from here on.
  void forget(const std::string& why);

 private:
  [[nodiscard]] std::uint32_t active() const;
  [[nodiscard]] std::uint32_t other() const { return 1 - active(); }
  [[nodiscard]] std::span<std::uint64_t> words(std::uint32_t generation) const;
  [[nodiscard]] std::optional<std::string> why_no_base(const std::string& base,
                                                       const std::string& anchor) const;
  [[nodiscard]] bool only_we_wrote() const;
  void make_other_active();
  void clear(std::uint32_t generation);
  void merge_other_into_active();
  void set_base(std::uint32_t generation, const std::string& id);

  blkrewind_control& control_;
  const std::span<std::uint64_t> bits_;
  bool frozen_ = false;
  bool writes_ = false;
  std::uint64_t own_bytes_ = 0;
  std::string prepared_;
  bool keep_all_ = false;
};

}  // namespace blkrewind::track
