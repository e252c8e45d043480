// Operations on a store that is reached over a network.
#include <gtest/gtest.h>

#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using sim::Delivery;

class Remote : public testing::Test {
 protected:
  sim::RemoteNetwork& network() { return *bench_.home().network(); }

  const Bytes content_ = pattern(8 * kChunk, 1);
  OperationsBench bench_{content_, kChunk, host::DeviceKind::kBlock, sim::HomeType::kRemote};
};

// A segment is removed when its operation fails; a write to it that arrives after that must not
// find another segment of the same number.
TEST_F(Remote, ALateWriteReachesNoSegmentOfALaterOperation) {
  for (std::size_t write = 0; write < 3; ++write) {
    std::deque<Delivery> fates(write, Delivery::kAnswered);
    fates.push_back(Delivery::kLate);
    network().set_chances({.late_arrives = 0});
    network().deliver_writes(fates);
    bench_.write(0, pattern(8 * kChunk, 10 + write));
    ASSERT_FALSE(bench_.snapshot()) << "write " << write;
    ASSERT_EQ(network().late(), 1U);
    const Bytes now = pattern(8 * kChunk, 20 + write);
    bench_.write(0, now);
    const SnapshotNumber later = bench_.must_snapshot();
    network().deliver_late();
    EXPECT_TRUE(bench_.exports_as(later, now)) << "write " << write;
    EXPECT_TRUE(bench_.all_verify()) << "write " << write;
  }
  EXPECT_TRUE(bench_.empties());
}

// While it reads the device another process takes the disk over, which the first one does not know.
TEST(FormerOwner, WritesNothingToTheDevice) {
  for (const bool interrupted : {false, true}) {
    SCOPED_TRACE(interrupted ? "resume" : "rollback");
    OperationsBench bench(pattern(8 * kChunk, 1), kChunk, host::DeviceKind::kBlock,
                          sim::HomeType::kMemory);
    const SnapshotNumber target = bench.must_snapshot();
    bench.write(0, pattern(8 * kChunk, 2));
    if (interrupted) {
      bench.env().inject({.kinds = {sim::OpKind::kFlush}, .path = kDevice});
      ASSERT_FALSE(bench.rollback(target));
      ASSERT_TRUE(ok(bench.kill()));
      ASSERT_TRUE(bench.view().intent);
      bench.write(0, pattern(8 * kChunk, 2));  // as it was: nothing that has to be kept
    }
    auto other = bench.another_process();
    ASSERT_TRUE(ok(other));
    std::shared_ptr<store::Lease> taken;
    const Bytes before = bench.device();
    Monitor monitor;
    monitor.progress = [&](const Progress&) {
      if (taken != nullptr) return;
      bench.home().pool()->expire(bench.disk());
      auto lease = (*other)->hold_disk(bench.disk());
      if (lease) taken = *lease;
    };
    const auto done =
        interrupted ? bench.resume(false, monitor) : bench.rollback(target, true, monitor);
    ASSERT_NE(taken, nullptr);
    EXPECT_TRUE(failed(done, Errc::kBusy));
    EXPECT_TRUE(same(bench.device(), before));
  }
}

}  // namespace
}  // namespace blkrewind::test
