// Identifiers and names: generation and validation.
//
// Any thread. Randomness comes from getrandom(2), so ids of different processes and machines are
// distinct.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "blkrewind/text.h"  // is_printable_text(), is_valid_id(), new_request_id()

namespace blkrewind {

inline constexpr std::size_t kMaxIdBytes = 30;     // of the ResetDisk API: prefix and all
inline constexpr std::size_t kMaxNameBytes = 128;  // of a snapshot or instance name, in UTF-8
inline constexpr std::size_t kMaxDescriptionBytes = 1024;  // of a snapshot

// `prefix` ("d-", "s-", "i-") and 18 random characters of [0-9a-z]: 93 bits.
[[nodiscard]] std::string new_id(std::string_view prefix);
// The same, and a number behind it, which tells where to look for what the id names.
[[nodiscard]] std::string new_id(std::string_view prefix, std::uint32_t number);
// The number behind an id; 0: it has none. A hint, which only the place that it names confirms.
[[nodiscard]] std::uint32_t number_in_id(std::string_view prefix, std::string_view id);

// Starts like an id, whether or not it is a valid one; nothing else may be named so.
[[nodiscard]] bool looks_like_id(std::string_view prefix, std::string_view text);

// Printable, well-formed UTF-8 of 1 to kMaxNameBytes bytes, without control characters, '/' and
// blanks at either end; not "latest", and nothing that could be taken for an id ("s-", "d-", "i-").
[[nodiscard]] bool is_valid_snapshot_name(std::string_view name);
// The same rule as a sentence, for the remedy of a refusal.
[[nodiscard]] std::string_view snapshot_name_rule();

}  // namespace blkrewind
