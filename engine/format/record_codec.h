// One journal entry to and from bytes: a type, a length, the fields. docs/FORMAT.md, "Entries".
#pragma once

#include "blkrewind/error.h"
#include "format/bytes.h"
#include "format/records.h"

namespace blkrewind::format {

// Whether decode_entry() takes it: what is not asked before it is written could make a journal that
// cannot be read.
[[nodiscard]] Status check_entry(const JournalEntry& entry);

void encode_entry(const JournalEntry& entry, ByteWriter& writer);
[[nodiscard]] Result<JournalEntry> decode_entry(ByteReader& reader);

}  // namespace blkrewind::format
