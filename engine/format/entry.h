// The entry of a chunk tree: the location of a chunk's bytes, or of the node below.
#pragma once

#include <cstdint>

#include "base/digest.h"

namespace blkrewind::format {

// Segments are addressed in blocks of this size; every stored extent starts on one.
inline constexpr std::uint64_t kBlockBytes = 4096;

enum class EntryState : std::uint8_t {
  kZero = 0,      // all bytes zero; nothing stored. Also: beyond the end of the device
  kStored = 1,    // at (segment, block)
  kAbsent = 2,    // digest known, bytes not stored (--no-undo). Never in a snapshot
  kOnDevice = 3,  // reserved: still on a live device
};

enum class Codec : std::uint8_t { kNone = 0 };

struct Entry {
  EntryState state = EntryState::kZero;
  Codec codec = Codec::kNone;
  std::uint32_t segment = 0;
  std::uint32_t block = 0;         // in units of kBlockBytes from the start of the segment file
  std::uint32_t length_bytes = 0;  // number of stored bytes
  Digest digest;

  [[nodiscard]] bool is_zero() const { return state == EntryState::kZero; }
  [[nodiscard]] std::uint64_t offset_bytes() const { return block * kBlockBytes; }
  // The same bytes at the same location in the store.
  [[nodiscard]] bool same_place(const Entry& other) const {
    return state == EntryState::kStored && other.state == EntryState::kStored &&
           segment == other.segment && block == other.block;
  }
  friend bool operator==(const Entry&, const Entry&) = default;
};

}  // namespace blkrewind::format
