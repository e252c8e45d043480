// The rows that old catalogs have of accepted rollbacks, notes and client tokens, as entries of the
// disks' logs.
#pragma once

#include <map>

#include "base/digest.h"
#include "control/catalog/catalog_old_rows.h"
#include "format/records.h"
#include "store/home/version1_home.h"

namespace blkrewind::control {

// `states`: what the logs will say without them. Rows about disks and snapshots that these do not
// have are left out. A rollback that has ended by what they say, and whose row does not say so yet,
// has ended. Pure.
[[nodiscard]] std::map<format::DiskNumber, format::Transaction> entries_of(
    const OldRows& rows, const store::StatesByDisk& states, const DigestSecret& secret);

}  // namespace blkrewind::control
