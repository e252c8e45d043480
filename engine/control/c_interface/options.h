// Options of a C program, in the terms of this version whatever version the program was compiled
// against.
#pragma once

#include <cstddef>
#include <type_traits>

#include "blkrewind/blkrewind.h"
#include "blkrewind/engine.h"

namespace blkrewind::c_interface {

// Copies what both know; the rest of *known is left as it is. kInvalidArgument: `given` does not
// begin with a possible size; kUnsupported: it has values that this version does not know.
[[nodiscard]] Status copy_known(const void* given, std::size_t known_bytes, std::size_t alignment,
                                void* known, const char* type);

// kUnsupported unless the reserved member is 0, as which a later version may have more values.
[[nodiscard]] Status unused(std::uint32_t reserved, const char* type);

// `given` may be null: all defaults.
template <class Options>
[[nodiscard]] Result<Options> known_options(const Options* given, const char* type) {
  // A member that is added must not lie in what was padding: earlier programs left it undefined.
  static_assert(std::has_unique_object_representations_v<Options>);
  Options known{};
  if (given != nullptr) {
    BLKREWIND_TRY(copy_known(given, sizeof(Options), alignof(Options), &known, type));
  }
  return known;
}

[[nodiscard]] Result<ChangeSource> change_source(std::int64_t given);
[[nodiscard]] Result<VerifyAfter> verify_after(std::uint32_t given);
[[nodiscard]] Result<SnapshotOptions> snapshot_options(const blkrewind_snapshot_options* given);

}  // namespace blkrewind::c_interface
