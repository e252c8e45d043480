// Reading back what was written to a device: a write that was flushed may still be lost by what
// lies below (a medium or controller that drops writes), and only a digest that was read back is
// known.
#pragma once

#include <cstdint>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "operations/rollback_steps.h"
#include "pipeline/change_source.h"

namespace blkrewind {

// What kAuto comes to: `moved_bytes` have been read and written by the operation so far, `written`
// of them to the device.
[[nodiscard]] VerifyAfter settle_verify_after(VerifyAfter wanted, std::uint64_t written,
                                              std::uint64_t moved_bytes);
[[nodiscard]] const char* name_of(VerifyAfter settled);

// Reads what `written` names and compares it with the target. After the flush. kIo when something
// reads back otherwise: it was written, so the device lost it. Returns the bytes read.
[[nodiscard]] Result<std::uint64_t> read_back(const Rollback& rollback,
                                              pipeline::ChangeSource& written,
                                              std::uint64_t work_bytes);

// All of what the rollback's verify_after asks for, after the flush: what `written` names, and for
// kAll the whole device. Takes the byte counts from the receipt and notes in it what was read. kIo
// when the device lost something, or has another size than before; kIntegrity and `*missed` when
// the change source had missed something.
[[nodiscard]] Status verify_written(const Rollback& rollback, pipeline::ChangeSource& written,
                                    RollbackReceipt& receipt, bool* missed);
// The same where `now` was turned into the target; `writer` holds its new nodes.
[[nodiscard]] Status verify_written(const Rollback& rollback, const store::Tree& now,
                                    store::SegmentWriter* writer, RollbackReceipt& receipt,
                                    bool* missed);
// The whole device against the target.
[[nodiscard]] Status recheck_all(const Rollback& rollback, RollbackReceipt& receipt, bool* missed);

}  // namespace blkrewind
