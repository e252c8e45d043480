// Which disk each segment of a store of version 1 belongs to, where one folder held the segments of
// all disks and no record said whose they were.
//
// A segment was written by one operation on one disk, so each tree that names it is a tree of that
// disk. The trees of all snapshots are walked, each beside those of its lineage that were walked
// before it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "format/records.h"
#include "format/store_header.h"
#include "store/home/home.h"
#include "store/state.h"

namespace blkrewind::store {

struct SegmentOwners {
  // Every segment of the journal's table of which something is needed, or that a tree names. The
  // others are of no use: no disk owns them.
  std::map<format::SegmentId, format::DiskNumber> disk_of;
  std::vector<std::string> warnings;
};

// Damage does not stop it: a segment that no readable node names goes to the disk whose tree cannot
// be read. kIntegrity: trees of two disks name one segment, or a tree names a file that the journal
// does not. Another error: a tree cannot be read now, and that leaves open whose a segment is.
[[nodiscard]] Result<SegmentOwners> find_segment_owners(Home& home,
                                                        const format::StoreHeader& header,
                                                        const State& journal);

}  // namespace blkrewind::store
