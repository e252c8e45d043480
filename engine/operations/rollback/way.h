// Every way back to a snapshot, as a value. There is one sequence (sequence.h), and what differs
// between a rollback, a resume and an undo of an interrupted rollback are these columns:
//
//   |                        | looks at      | reads | undo   | verifies | intent | corrupt chunk |
//   |------------------------|---------------|-------|--------|----------|--------|---------------|
//   | scan, undo             | all           | yes   | keeps  | writing  | new    | put back      |
//   | scan, no undo          | all           | yes   | none   | before   | new    | stop          |
//   | tracked, undo          | tracker, diff | yes   | keeps  | writing  | new    | put back      |
//   | tracked, no undo       | tracker, diff | no    | none   | before   | new    | stop          |
//   | resume                 | either        | yes   | exists | writing  | exists | put back      |
//   | resume, no undo        | either        | yes   | none   | writing  | exists | skip          |
//   | undo of an interrupted | either        | yes   | exists | writing  | exists | skip          |
//   | put back               | what differed | yes   | exists | writing  | exists | skip          |
//   | plan (--dry-run)       | either        | yes   | none   | -        | none   | -             |
#pragma once

#include <cstdint>

namespace blkrewind {

struct Way {
  enum class Looks : std::uint8_t {
    kAll,         // the whole device
    kTracker,     // where a tracker says that it changed since the base snapshot, and where that
                  // and the wanted one differ
    kDifferences  // what the sequence that met a corrupt chunk had found: nothing else was written,
                  // since it has held the device all the time
  };
  enum class Undo : std::uint8_t {
    kNone,    // what is overwritten is lost
    kKeeps,   // an undo snapshot is made of the device as it is
    kExists,  // it was made when the rollback began; what neither end holds was written since, and
              // is kept in an undo snapshot of its own
  };
  enum class Verifies : std::uint8_t {
    kBefore,        // all that is needed is read and verified before the first write
    kWhileWriting,  // each chunk, before it is written
  };
  enum class Intent : std::uint8_t {
    kNew,     // declared with the undo snapshot, before the first write
    kExists,  // it stands in the log, and finish() takes it away
    kNone,    // nothing is written: the sequence ends with what was found
  };
  enum class Corrupt : std::uint8_t {  // a chunk of the wanted snapshot is
    kStop,     // the operation ends: before anything was written, or to be resumed
    kPutBack,  // the device goes back to the undo snapshot
    kSkip,  // all others are written, and the error names it: there is no other way than this one
  };

  Looks looks = Looks::kAll;
  bool reads = true;  // the device, to tell what differs; otherwise all that is named is written
  Undo undo = Undo::kNone;
  Verifies verifies = Verifies::kWhileWriting;
  Intent intent = Intent::kNew;
  Corrupt corrupt = Corrupt::kStop;

  [[nodiscard]] static constexpr Way rollback(Looks looks) {
    return {looks, true, Undo::kKeeps, Verifies::kWhileWriting, Intent::kNew, Corrupt::kPutBack};
  }
  [[nodiscard]] static constexpr Way rollback_without_undo(Looks looks) {
    return {looks,         looks != Looks::kTracker, Undo::kNone, Verifies::kBefore, Intent::kNew,
            Corrupt::kStop};
  }
  [[nodiscard]] static constexpr Way resume(Looks looks) {
    return {
        looks, true, Undo::kExists, Verifies::kWhileWriting, Intent::kExists, Corrupt::kPutBack};
  }
  [[nodiscard]] static constexpr Way resume_without_undo(Looks looks) {
    return {looks, true, Undo::kNone, Verifies::kWhileWriting, Intent::kExists, Corrupt::kSkip};
  }
  // Undo of an interrupted rollback, and putting back.
  [[nodiscard]] static constexpr Way back(Looks looks) {
    return {looks, true, Undo::kExists, Verifies::kWhileWriting, Intent::kExists, Corrupt::kSkip};
  }
  [[nodiscard]] static constexpr Way plan(Looks looks) {
    return {looks, true, Undo::kNone, Verifies::kWhileWriting, Intent::kNone, Corrupt::kStop};
  }
};

}  // namespace blkrewind
