// Rollbacks that were accepted to run later: entries of the logs, one for each disk.
//
//   accept_reset()          one record: accepted
//   rollback or resume      its last record also puts the reset as done; as failed, if the device
//                           was put back
//   end_reset()             any other failure: one record, before the disk's lock is released
//   another rollback        the record of its intent, or its last one, puts the reset as failed
//
// So a reset that is accepted while no process holds its disk has not begun, or its intent is in
// the log.
#pragma once

#include <cstdint>
#include <string>

#include "blkrewind/error.h"
#include "format/records.h"
#include "store/state.h"

namespace blkrewind {

struct ResetEnd {
  std::int64_t at = 0;     // seconds since the epoch
  std::string error_code;  // of the API, or the name of an Errc; empty: success
  std::string error_message;
};

[[nodiscard]] ResetEnd end_of(const Error& error, std::int64_t at);
[[nodiscard]] ResetEnd replaced_by_another(std::int64_t at);

[[nodiscard]] format::ResetRecord ended(format::ResetRecord reset, const ResetEnd& end);

// The disk's reset if it is accepted, or null.
[[nodiscard]] const format::ResetRecord* accepted_reset(const store::State& state,
                                                        format::DiskNumber disk);

}  // namespace blkrewind
