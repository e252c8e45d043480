// The simulated machine: files, names, queues, faults, locks.
#include "support/simulated_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "unit/io/simulated_bench.h"

namespace blkrewind::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(SimulatedFiles, AreSparseAndAsLargeAsYouLike) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/big", 8 * kTiB);
  auto file = bench.open("/big");
  ASSERT_TRUE(bench.write(*file, 5 * kTiB, filled(2 * kPage, 9)));
  EXPECT_EQ(*file->next_data(0), (Extent{5 * kTiB, 2 * kPage}));
  EXPECT_EQ(*env.allocated_bytes("/big"), 2 * kPage);
  EXPECT_EQ(*file->next_data(5 * kTiB + kPage), (Extent{5 * kTiB + kPage, kPage}));
  EXPECT_EQ(*file->next_data(5 * kTiB + 2 * kPage), (Extent{8 * kTiB, 0}));
  ASSERT_EQ(bench.run(io::Op::kWriteZeroes, *file, {0, 5 * kTiB + kPage + 1}), 0);
  EXPECT_EQ(env.contents("/big", {5 * kTiB + kPage, 2}), (std::vector{std::byte{0}, std::byte{9}}));
  EXPECT_EQ(*file->next_data(0), (Extent{5 * kTiB + kPage, kPage}));
}

TEST(SimulatedFiles, ABlockDeviceHasAFixedSizeAndNoHoles) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/dev/sim", 2 * kPage, host::DeviceKind::kBlock);
  auto device = bench.open("/dev/sim");
  EXPECT_EQ(*device->next_data(kPage), (Extent{kPage, kPage}));
  const auto written = bench.write(*device, kPage, filled(2 * kPage, 1));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().sys_errno, ENOSPC);
  EXPECT_EQ(*device->size_bytes(), 2 * kPage);
  EXPECT_EQ(bench.run(io::Op::kDiscard, *device, {0, kPage}), EOPNOTSUPP);
  EXPECT_FALSE(device->truncate(kPage));
  EXPECT_FALSE(bench.read(*device, {kPage, 2 * kPage}));

  auto claim = kWrite;
  claim.exclusive_device = true;
  auto held = bench.open("/dev/sim", claim);
  EXPECT_EQ(env.open("/dev/sim", claim).error().code, Errc::kBusy);
  held.reset();
  EXPECT_TRUE(env.open("/dev/sim", claim));
  env.set_used_by("/dev/sim", {{"mounted on /mnt", "umount /mnt"}});
  EXPECT_EQ(env.open("/dev/sim", claim).error().code, Errc::kBusy);
  EXPECT_THAT(env.probe("/dev/sim")->used_by, SizeIs(1));
}

TEST(SimulatedFiles, NamesBehaveAsTheKernelHasThem) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_directory("/d");
  bench.open("/d/a", kCreate);
  EXPECT_EQ(env.open("/d/a", kCreate).error().code, Errc::kAlreadyExists);
  EXPECT_EQ(env.make_directory("/d").error().code, Errc::kAlreadyExists);
  EXPECT_EQ(env.open("/d/none", kWrite).error().code, Errc::kNotFound);
  EXPECT_EQ(env.open("/none/a", kCreate).error().code, Errc::kNotFound);
  const auto made_at = *env.modified_at("/d");
  EXPECT_EQ(*env.modified_at("/d/a"), made_at);
  env.set_modified_at("/d/a", 5);
  EXPECT_EQ(*env.modified_at("/d/a"), 5);
  EXPECT_EQ(env.remove("/d").error().sys_errno, ENOTEMPTY);
  EXPECT_THAT(*env.list_directory("/d/"), ElementsAre("a"));
  const auto before = *env.identify("/d/a");
  ASSERT_TRUE(env.remove("/d/a"));
  bench.open("/d/../d//a", kCreate);
  EXPECT_NE(*env.identify("/d/a"), before);
  EXPECT_GT(*env.modified_at("/d"), made_at);
  env.set_read_only("/d/a", true);
  EXPECT_EQ(env.open("/d/a", kWrite).error().sys_errno, EROFS);
}

TEST(SimulatedQueue, CompletesInAnOrderThatTheSeedDecides) {
  bool more_than_asked = false;
  const auto order = [&](std::uint64_t seed) {
    SimulatedEnv env({seed});
    Bench bench(env);
    env.add_device("/f", 16 * kPage);
    auto file = bench.open("/f");
    auto bytes = filled(kPage, 1);
    std::vector<io::Request> requests;
    for (std::uint64_t i = 0; i < 16; ++i) {
      requests.push_back({io::Op::kWrite, file.get(), {i * kPage, kPage}, bytes.data(), i});
    }
    EXPECT_TRUE(bench.queue().submit(requests));
    std::vector<std::uint64_t> result;
    while (bench.queue().in_flight() != 0) {
      std::vector<io::Completion> done;
      const auto count = bench.queue().wait(1, done);
      EXPECT_GE(*count, 1U);
      EXPECT_EQ(*count, done.size());
      for (const auto& completion : done) {
        result.push_back(completion.user_data);
      }
      more_than_asked |= *count > 1;
    }
    return std::pair(result, env.log());
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1).first, order(2).first);
  EXPECT_TRUE(more_than_asked);
}

TEST(SimulatedQueue, RefusesWhatARealOneMayNotSurvive) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", kPage);
  auto file = bench.open("/f");
  const std::vector<io::Request> many(65, {io::Op::kFlush, file.get(), {}, nullptr, 0});
  EXPECT_EQ(bench.queue().submit(many).error().code, Errc::kInternal);
  EXPECT_EQ(bench.queue().in_flight(), 0U);
  Errc code{};
  std::thread([&] {
    std::vector<io::Completion> done;
    code = bench.queue().wait(0, done).error().code;
  }).join();
  EXPECT_EQ(code, Errc::kInternal);
}

TEST(SimulatedQueue, CountsUnalignedDirectRequests) {
  SimulatedEnv env;
  auto queue = *env.make_queue({.depth = 4, .slots = 2, .slot_bytes = 8192});
  env.add_device("/f", 2 * kPage);
  auto file = *env.open("/f", kWrite);
  EXPECT_EQ(file->alignment_bytes(), kPage);
  std::byte* slot = queue->slots()[1].data;
  ASSERT_TRUE(io::write_now(*queue, *file, {0, 2 * kPage}, slot));
  EXPECT_EQ(env.unaligned_requests(), 0U);
  ASSERT_TRUE(io::write_now(*queue, *file, {0, kPage}, slot + 1));
  ASSERT_TRUE(io::read_now(*queue, *file, {1, 1}, slot));
  EXPECT_EQ(env.unaligned_requests(), 2U);
  auto buffered = *env.open("/f", {});
  EXPECT_EQ(buffered->alignment_bytes(), kPage);
  buffered = *env.open("/f", {.direct = false});
  EXPECT_EQ(buffered->alignment_bytes(), 1U);
  ASSERT_TRUE(io::read_now(*queue, *buffered, {1, 1}, slot));
  EXPECT_EQ(env.unaligned_requests(), 2U);
  EXPECT_EQ(io::write_now(*queue, *buffered, {0, 1}, slot).error().sys_errno, EBADF);
}

TEST(SimulatedFaults, HitTheNthOfTheirKindOnceOrFromThenOn) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", kPage);
  env.add_device("/g", kPage);
  auto f = bench.open("/f");
  auto g = bench.open("/g");
  const auto page = filled(kPage, 1);
  env.inject({.kinds = {OpKind::kWrite}, .path = "/f", .nth = 2, .error = ENOSPC});
  EXPECT_TRUE(bench.write(*f, 0, page));
  EXPECT_TRUE(bench.write(*g, 0, page));
  EXPECT_TRUE(bench.flush(*f));
  EXPECT_EQ(bench.write(*f, 0, page).error().sys_errno, ENOSPC);
  EXPECT_TRUE(bench.write(*f, 0, page));
  EXPECT_EQ(env.fault_hits(), 1U);

  env.inject({.kinds = {OpKind::kRead}, .nth = 2, .from_then_on = true, .error = EAGAIN});
  EXPECT_TRUE(bench.read(*f, {0, kPage}));
  EXPECT_EQ(bench.read(*f, {0, kPage}).error().sys_errno, EAGAIN);
  EXPECT_EQ(bench.read(*g, {0, kPage}).error().sys_errno, EAGAIN);
  env.clear_faults();
  EXPECT_TRUE(bench.read(*f, {0, kPage}));
  env.inject({.kinds = {OpKind::kRename, OpKind::kSyncDirectory}});
  EXPECT_FALSE(env.rename("/f", "/h"));
  EXPECT_TRUE(*env.exists("/f"));
}

TEST(SimulatedFaults, AFailedWriteMayHaveArrivedInPartAndAFailedReadLeavesRubbish) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", kPage);
  auto file = bench.open("/f");
  env.inject({.kinds = {OpKind::kWrite}, .applied_bytes = 512});
  EXPECT_FALSE(bench.write(*file, 0, filled(kPage, 1)));
  const auto bytes = env.contents("/f");
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), std::byte{1}), 512);
  env.inject({.kinds = {OpKind::kRead}});
  auto buffer = filled(kPage, 5);
  EXPECT_FALSE(io::read_now(bench.queue(), *file, {0, kPage}, buffer.data()));
  EXPECT_EQ(buffer, filled(kPage, 0xdb));
}

TEST(SimulatedFaults, AFailedFlushMayLoseTheBytes) {
  for (const FlushLoss loss : {FlushLoss::kKeep, FlushLoss::kVanish, FlushLoss::kCacheOnly}) {
    SimulatedEnv env;
    Bench bench(env);
    env.add_device("/f", kPage);
    auto file = bench.open("/f");
    ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
    env.inject({.kinds = {OpKind::kFlush}, .flush_loss = loss});
    EXPECT_EQ(bench.flush(*file).error().sys_errno, EIO);
    EXPECT_TRUE(bench.flush(*file)) << "the kernel tells it once";
    EXPECT_EQ(env.contents("/f"), filled(kPage, loss == FlushLoss::kVanish ? 0 : 1));
    EXPECT_EQ(env.durable_contents("/f"), filled(kPage, loss == FlushLoss::kKeep ? 1 : 0));
  }
}

TEST(SimulatedFaults, RotLiesOverTheBytesAndOutlivesACrash) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", kPage);
  auto file = bench.open("/f");
  env.rot_bit("/f", 100, 3);
  auto expected = filled(kPage, 0);
  expected[100] = std::byte{8};
  EXPECT_EQ(*bench.read(*file, {0, kPage}), expected);
  EXPECT_EQ(*bench.read(*file, {101, 10}), filled(10, 0));
  EXPECT_EQ(env.contents("/f"), filled(kPage, 0));
  auto after = env.crash(1);
  Bench second(*after);
  auto again = second.open("/f");
  EXPECT_EQ(*second.read(*again, {0, kPage}), expected);
  after->heal();
  EXPECT_EQ(*second.read(*again, {0, kPage}), filled(kPage, 0));
}

TEST(SimulatedFaults, MisdirectedRequestsReportSuccess) {
  SimulatedEnv env;
  Bench bench(env);
  env.add_device("/f", 2 * kPage);
  auto file = bench.open("/f");
  env.inject({.kinds = {OpKind::kWrite}, .error = 0, .misdirect_bytes = kPage});
  ASSERT_TRUE(bench.write(*file, 0, filled(kPage, 1)));
  EXPECT_EQ(env.contents("/f", {0, kPage}), filled(kPage, 0));
  EXPECT_EQ(env.contents("/f", {kPage, kPage}), filled(kPage, 1));
  env.inject({.kinds = {OpKind::kRead}, .error = 0, .misdirect_bytes = -4096});
  EXPECT_EQ(*bench.read(*file, {kPage, kPage}), filled(kPage, 0));
}

TEST(SimulatedLog, NumbersEveryOperation) {
  SimulatedEnv env;
  Bench bench(env);
  auto file = bench.open("/a", kCreate);
  ASSERT_TRUE(bench.write(*file, kPage, filled(512, 1)));
  ASSERT_TRUE(bench.read(*file, {0, 512}));
  ASSERT_TRUE(env.rename("/a", "/b"));
  EXPECT_FALSE(env.remove("/a"));
  const auto log = env.log();
  ASSERT_THAT(log, SizeIs(5));
  EXPECT_EQ(log[0].kind, OpKind::kCreate);
  EXPECT_EQ(log[1].extent, (Extent{kPage, 512}));
  EXPECT_NE(log[1].data_digest, 0U);
  EXPECT_EQ(log[3].to, "/b");
  EXPECT_EQ(log[3].number, 4U);
  EXPECT_EQ(log[3].mutation, 3U);
  EXPECT_EQ(log[4].error, ENOENT);
  EXPECT_EQ(to_string(log[1]), "write #2 /a [offset 4096, length 512]");
}

TEST(SimulatedLocks, SharedAndExclusive) {
  SimulatedEnv env;
  env.add_device("/lock", 0);
  auto shared = *env.try_lock("/lock", 0, io::LockMode::kShared);
  ASSERT_NE(shared, nullptr);
  auto also_shared = *env.lock("/lock", 0, io::LockMode::kShared);
  ASSERT_NE(also_shared, nullptr);
  EXPECT_EQ(*env.try_lock("/lock", 0, io::LockMode::kExclusive), nullptr);
  EXPECT_NE(*env.try_lock("/lock", 1, io::LockMode::kExclusive), nullptr);
  EXPECT_EQ(env.lock("/lock", 0, io::LockMode::kExclusive).error().code, Errc::kBusy);
  EXPECT_EQ(env.try_lock("/none", 0, io::LockMode::kShared).error().code, Errc::kNotFound);
  shared.reset();
  also_shared.reset();
  auto exclusive = *env.try_lock("/lock", 0, io::LockMode::kExclusive);
  ASSERT_NE(exclusive, nullptr);
  EXPECT_EQ(*env.try_lock("/lock", 0, io::LockMode::kShared), nullptr);
  EXPECT_NE(*env.crash(1)->try_lock("/lock", 0, io::LockMode::kShared), nullptr)
      << "a lock ends with its machine";

  bool got_it = false;
  std::thread waiter([&] { got_it = *env.lock("/lock", 0, io::LockMode::kExclusive) != nullptr; });
  exclusive.reset();
  waiter.join();
  EXPECT_TRUE(got_it);
}

TEST(SimulatedProbe, SaysWhatTheTestWants) {
  SimulatedEnv env;
  env.add_device("/img", 3 * kPage);
  env.set_read_only("/img", true);
  env.set_probe("/img", [](host::DeviceInfo& info) { info.identity.serial = "S1"; });
  auto info = *env.probe("/img");
  EXPECT_EQ(info.kind, host::DeviceKind::kFile);
  EXPECT_EQ(info.size_bytes, 3 * kPage);
  EXPECT_TRUE(info.read_only);
  EXPECT_TRUE(info.used_by.empty());
  EXPECT_EQ(info.identity.serial, "S1");
  EXPECT_EQ(info.identity.backing_id, *env.identify("/img"));
  EXPECT_FALSE(*env.lives_on("/store", info));
  env.set_holds_store("/img", true);
  EXPECT_TRUE(*env.lives_on("/store", info));
  env.set_size("/img", kPage);
  EXPECT_EQ(env.probe("/img")->size_bytes, kPage);
}

}  // namespace
}  // namespace blkrewind::sim
