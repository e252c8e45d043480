// Changes of several disks that take effect together, or not at all.
//
//   1. index: the group, with its disks
//   2. each disk's log: a pending record with what it changes there
//   3. index: the group is committed            <- all of it is true from here on
//   4. each disk's log: the pending record has ended; its entries are plain ones
//   5. index: the group is removed
//
// The index decides: a pending record is true exactly if the index has its group, committed. So a
// reader who finds one asks the index (History::state()), and the next owner of a disk does what 4
// and 5 left undone (settle_groups()). If the group is not committed, that owner first removes it
// from the index, and only then drops the pending record: from there on the process that began the
// group, if it lives, cannot commit it any more.
//
// After a power cut before 3 nothing of it is true; after it all is.
#pragma once

#include <memory>
#include <vector>

#include "blkrewind/error.h"
#include "store/log.h"
#include "store/store.h"

namespace blkrewind::store {

// What a group changes of a disk. The caller holds its lease until the group has ended.
struct GroupPart {
  std::shared_ptr<Lease> lease;
  Log::Build build;  // of the entries, as of Log::update()
};

// At least one part has entries. Errors of 1 to 3: nothing of it is true, unless a log is
// in_doubt(): then the index, read again, tells. What fails after that is done by the next owner.
[[nodiscard]] Status update_together(Store& store, const std::vector<GroupPart>& parts,
                                     Room room = Room::kAdds);

// Ends the pending records of a disk as the index says. Under its lease, before anything else is
// done with it: what they name must not be taken for orphans, and their numbers not be used again.
[[nodiscard]] Status settle_groups(Store& store, History& history);

// Removes groups from the index to which no log refers any more. A disk that cannot be read now
// keeps its groups.
[[nodiscard]] Status forget_ended_groups(Store& store);

}  // namespace blkrewind::store
