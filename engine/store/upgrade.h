// Brings a store of version 1 over to version 2, in place. Nothing is copied: segments move by
// rename.
//
//   1. locks     those of every operation of version 1; kBusy if another process has one. Held are
//                the journal's, the segments', and those of disks with something unfinished
//   2. logs      whose each segment is (segment_owners.h); ROOT/index and ROOT/disks/N, flushed
//   3. aside     journal -> journal.v1, flushed: a program of version 1 that has the store open
//                finds no journal to append to
//   4. format    version 2, with the feature bit kUpgrading; flushed   <- no way back from here
//   5. segments  each to the disk whose log names it; flushed. What no log names is removed, and so
//                is the journal
//   6. format    without kUpgrading; flushed                           <- a store of version 2
//
// After a power cut, or the end of the process,
//   before 3    -> a store of version 1 as before; what 2 left is removed by the next upgrade()
//   before 4    -> version 1 without a journal: it cannot be opened, and the next upgrade() gives
//                  the journal its name back and starts again
//   before 6    -> version 2 with kUpgrading: it cannot be opened, and the next upgrade() goes on
//                  with 5, by what the logs say
//
// The format file is the one that is locked, and is replaced twice: the new one is locked before it
// gets the name, so that two upgrades exclude each other throughout.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "format/records.h"
#include "format/store_header.h"
#include "io/env.h"
#include "store/home/local_layout.h"
#include "store/home/version1_home.h"

namespace blkrewind::store {

struct Upgraded {
  bool was_needed = false;  // false: the store had the present version
  bool resumed = false;     // it had been interrupted after step 4
  std::uint64_t disks = 0;
  std::uint64_t snapshots = 0;  // that users see
  std::uint64_t segments = 0;   // that this call moved
  std::vector<std::string> warnings;
};

// What else each disk's log is to begin with: records that version 1 kept outside of the store's
// journal. Called before step 2, under all locks, with what the logs will say; again if an upgrade
// that was interrupted begins anew, and not if it goes on with step 5.
using ExtraEntries = std::function<Result<std::map<format::DiskNumber, format::Transaction>>(
    const StatesByDisk& states)>;

// Also continues an upgrade that was interrupted. kBusy: another process uses the store. kNoSpace:
// there is no space for the logs; the store still has version 1.
[[nodiscard]] Result<Upgraded> upgrade(io::Env& machine, const std::string& path,
                                       const ExtraEntries& extra = {});

// kUnsupported: an upgrade of the store was interrupted; kBusy: one is running.
[[nodiscard]] Status check_not_upgrading(io::Env& env, const LocalLayout& layout,
                                         const format::StoreHeader& header);

}  // namespace blkrewind::store
