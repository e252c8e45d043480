// A simulated remote home: a MemoryHome whose requests cross a RemoteNetwork.
//
// What the simulation promises, and how a home in a RADOS pool keeps it. One compound operation on
// one object is atomic there, and its result is durable when it is answered; each step below is
// one.
//
//   append      on the log's object: compare the attributes `epoch` (not above the named one) and
//               `head` (generation and sequence, as expected), then write the record, `head`, and
//               `change.CLIENT` = number of the change and its answer. A class call, or
//               cmpxattr + omap_cmp, then append + setxattr + omap_set. -ECANCELED names which
//               comparison failed: kFenced or kStale.
//   replace     the new generation's records go into a new object, which no reader knows; then one
//               operation on the log's object, guarded as above, raises the generation. All or
//               nothing. The old records' object is removed afterwards.
//   time-out    of either: the client asks by an operation of the same kind that reads
//               `change.CLIENT` and, if it is older than the change, raises it to the change's
//               number. The change is then void: should it arrive later, it names a number that is
//               not newer, and is dropped. So the client's own late append is kept away without a
//               new epoch, also from the log of the index, which has no owner. Answers: what the
//               change's answer was; or kFenced, if the epoch is over; or kRefused. If the question
//               times out as well, several times: kInDoubt, and for every later change of this
//               HomeLog too.
//   take_lease  takes the lock on the log's object (lock class) and raises `epoch` there; the log
//               is read only after that. A lock that expired is broken (break_lock) before: the
//               former owner is not asked, and finds out by kFenced, whatever it has read in
//               between. A time-out leaves a lock that expires and an epoch without an owner: both
//               are harmless.
//   hold        a lock with a cookie on the log's object, shared or exclusive, named by the
//   snapshot. read        from `head` on. With a lease or a hold from the primary, so complete;
//   otherwise from any
//               replica, which may be behind: a prefix, but never a part of a checkpoint. After
//               kStale or kFenced, at least up to the version that the refusal named. `epoch` is
//               read with the records, so that a process that owns nothing can append under it.
//   segments    an object per stripe; created exclusively, which is durable when it is answered,
//   and
//               written with assert_exists, so that a late write cannot bring a removed segment
//               back. A write that timed out may arrive at any later time: its bytes must not be
//               relied upon, neither as written nor as absent; and a name that it was sent to is
//               given up only by an owner whose record has used its number up.
#pragma once

#include <memory>

#include "support/memory_home.h"
#include "support/remote_env.h"
#include "support/remote_network.h"

namespace blkrewind::sim {

class RemoteHome final : public MemoryHome {
 public:
  explicit RemoteHome(std::shared_ptr<RemoteNetwork> network);

  // The pool's machine; writes to segments cross the network.
  [[nodiscard]] io::Env& env() override { return env_; }
  [[nodiscard]] Result<std::unique_ptr<store::HomeLog>> open_log(format::DiskNumber disk,
                                                                 const store::LogKey& key) override;
  [[nodiscard]] Result<std::unique_ptr<store::HomeLease>> take_lease(format::DiskNumber disk,
                                                                     io::LockMode mode) override;
  [[nodiscard]] bool has_late_writes() const override { return true; }
  [[nodiscard]] Result<std::unique_ptr<io::File>> create_segment(format::DiskNumber disk,
                                                                 format::SegmentId id) override;

 private:
  const std::shared_ptr<RemoteNetwork> network_;
  RemoteEnv env_;
};

}  // namespace blkrewind::sim
