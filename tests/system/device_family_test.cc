// Several nodes over the same bytes: data in the cache of one of them is neither missing from a
// snapshot nor stale after a rollback, and the kernel's partitions are those of the table.
#ifdef BLKREWIND_PROGRAM

#include "host/device_family.h"

#include <sys/mman.h>

#include <optional>

#include "host/partition_table.h"
#include "system/device_fixture.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kDiskBytes = 64 * kMiB;
constexpr std::uint64_t kFirst = kMiB;  // offset of the first partition

// A program that has a node open: it reads from the node's page cache.
class OpenNode {
 public:
  explicit OpenNode(const std::string& path, int flags = O_RDONLY)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {
    EXPECT_TRUE(fd_.valid()) << path;
  }
  [[nodiscard]] std::string read(std::uint64_t offset, std::size_t length) const {
    std::string bytes(length, '\0');
    EXPECT_EQ(::pread(fd_.get(), bytes.data(), length, static_cast<off_t>(offset)),
              static_cast<ssize_t>(length));
    return bytes;
  }
  // Into the cache; not flushed.
  void write(std::uint64_t offset, const std::string& bytes) const {
    EXPECT_EQ(::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

class DeviceFamily : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    disk_.emplace(make_disk("disk.img", kDiskBytes));
    partitions_.emplace(disk());
  }
  [[nodiscard]] const std::string& disk() const { return disk_->path(); }
  [[nodiscard]] std::string part(int number) const { return partitions_->path(number); }

  std::optional<LoopDevice> disk_;
  std::optional<TwoPartitions> partitions_;
};

TEST_F(DeviceFamily, APartitionThatIsKeptOpenIsNotStale) {
  write_noise(part(1), 0, 8 * kMiB, 1);
  ask({"snapshot", disk(), "--name", "before"});
  const OpenNode held(part(1));
  const std::string before = held.read(0, kMiB);
  write_noise(part(1), 0, 8 * kMiB, 2);
  ASSERT_NE(held.read(0, kMiB), before);
  ask({"rollback", disk(), "before"});
  EXPECT_EQ(held.read(0, kMiB), before);
  EXPECT_EQ(digest_of_file(part(1), 0, 8 * kMiB),
            digest_of_file(disk_->backing(), kFirst, 8 * kMiB));
  ask({"undo", disk()});
  EXPECT_NE(held.read(0, kMiB), before);
  EXPECT_EQ(digest_of_file(part(1), 0, 8 * kMiB),
            digest_of_file(disk_->backing(), kFirst, 8 * kMiB));
}

TEST_F(DeviceFamily, TheWholeDiskThatIsKeptOpenIsNotStale) {
  write_noise(part(2), 0, 8 * kMiB, 1);
  ask({"snapshot", part(2), "--name", "before"});
  const std::uint64_t begin = host::partition_start_bytes(*host::block_device_at(part(2)));
  const OpenNode held(disk());
  const std::string before = held.read(begin, kMiB);
  write_noise(part(2), 0, 8 * kMiB, 2);
  ask({"rollback", part(2), "before"});
  EXPECT_EQ(held.read(begin, kMiB), before);
}

// A device that a process has open for writing is in use. A process that wrote and ended leaves
// dirty pages behind if another one has the node open: only the last to close it writes them back.
TEST_F(DeviceFamily, WhatAnotherNodeHasNotWrittenBackIsInTheSnapshot) {
  const std::string bytes(8192, 'x');
  const OpenNode partition(part(1));
  OpenNode(part(1), O_RDWR).write(4096, bytes);
  ask({"snapshot", disk(), "--name", "through-the-partition"});
  ask({"export", "through-the-partition", file("whole")});
  EXPECT_EQ(OpenNode(file("whole")).read(kFirst + 4096, bytes.size()), bytes);

  const std::string others(8192, 'y');
  const OpenNode whole(disk());
  OpenNode(disk(), O_RDWR).write(kFirst + 16384, others);
  ask({"snapshot", part(1), "--name", "through-the-disk"});
  ask({"export", "through-the-disk", file("part")});
  EXPECT_EQ(OpenNode(file("part")).read(16384, others.size()), others);
}

TEST_F(DeviceFamily, WhatAnotherNodeHasNotWrittenBackDoesNotLandLater) {
  ask({"snapshot", disk(), "--name", "before"});
  const std::string before = digest_of_file(disk_->backing());
  const OpenNode partition(part(1));
  OpenNode(part(1), O_RDWR).write(0, std::string(kMiB, 'x'));
  ask({"rollback", disk(), "before"});
  ASSERT_EQ(::fsync(OpenNode(part(1), O_RDWR).fd()), 0);
  EXPECT_EQ(digest_of_file(disk_->backing()), before);
}

TEST_F(DeviceFamily, PagesThatAProcessKeepsAreRefusedBeforeAnythingIsWritten) {
  write_noise(part(1), 0, kMiB, 1);
  ask({"snapshot", disk(), "--name", "before"});
  write_noise(disk(), kFirst, kMiB, 2);
  {
    const OpenNode node(part(1));
    void* const kept = ::mmap(nullptr, kMiB, PROT_READ, MAP_SHARED, node.fd(), 0);
    ASSERT_NE(kept, MAP_FAILED);
    volatile const char* const bytes = static_cast<const char*>(kept);
    for (std::size_t i = 0; i < kMiB; i += 4096) (void)bytes[i];
    const std::string before = digest_of_file(disk_->backing());
    const json error = ask({"rollback", disk(), "before"}, 3);
    EXPECT_NE(error.dump().find(part(1)), std::string::npos) << error.dump();
    EXPECT_NE(error.value("hint", "").find("fuser"), std::string::npos) << error.dump();
    EXPECT_EQ(digest_of_file(disk_->backing()), before);
    ::munmap(kept, kMiB);
  }
  ask({"rollback", disk(), "before"});
}

TEST_F(DeviceFamily, ALoopDeviceOverADiskAndThatDisksPartitions) {
  const LoopDevice above = LoopDevice::make(disk(), 0);
  write_noise(above.path(), kFirst, 4 * kMiB, 1);
  ask({"snapshot", above.path(), "--name", "before"});
  const OpenNode held(part(1));
  const OpenNode whole(disk());
  const std::string before = held.read(0, kMiB);
  write_noise(above.path(), kFirst, 4 * kMiB, 2);
  ask({"rollback", above.path(), "before"});
  EXPECT_EQ(held.read(0, kMiB), before);
  EXPECT_EQ(whole.read(kFirst, kMiB), before);
  EXPECT_EQ(OpenNode(disk_->backing()).read(kFirst, kMiB), before);
}

// The bytes were restored another way, so that the rollback itself has nothing to write there.
TEST_F(DeviceFamily, ItsOwnPagesAreNotStaleEither) {
  write_noise(part(1), 0, kMiB, 1);
  ask({"snapshot", part(1), "--name", "before"});
  ask({"snapshot", disk(), "--name", "whole"});
  const OpenNode partition(part(1));
  const OpenNode whole(disk());
  const std::string before = partition.read(0, kMiB);
  write_noise(disk_->backing(), kFirst, kMiB, 2);
  ASSERT_EQ(::posix_fadvise(partition.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  ASSERT_EQ(::posix_fadvise(whole.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  ASSERT_NE(partition.read(0, kMiB), before);
  ASSERT_NE(whole.read(kFirst, kMiB), before);
  write_noise(disk_->backing(), kFirst, kMiB, 1);
  ask({"rollback", part(1), "before"});
  EXPECT_EQ(partition.read(0, kMiB), before);
  EXPECT_EQ(whole.read(kFirst, kMiB), before);
}

// A process with a stale page of the device itself mapped would continue to see it.
TEST_F(DeviceFamily, AStalePageOfItsOwnThatIsMappedIsRefused) {
  write_noise(disk(), kFirst, kMiB, 1);
  ask({"snapshot", disk(), "--name", "before"});
  {
    const OpenNode node(disk());
    void* const kept = ::mmap(nullptr, kMiB, PROT_READ, MAP_SHARED, node.fd(), kFirst);
    ASSERT_NE(kept, MAP_FAILED);
    const volatile char* const bytes = static_cast<const char*>(kept);
    for (std::size_t i = 0; i < kMiB; i += 4096) (void)bytes[i];
    // Mapped pages with the right content are not a reason to refuse.
    ask({"rollback", disk(), "before"});
    for (std::size_t i = 0; i < kMiB; i += 4096) (void)bytes[i];
    write_noise(disk_->backing(), kFirst, kMiB, 2);
    const json error = ask({"rollback", disk(), "before"}, 3);
    EXPECT_NE(error.dump().find("does not agree"), std::string::npos) << error.dump();
    ::munmap(kept, kMiB);
  }
  ask({"rollback", disk(), "before"});
}

TEST_F(DeviceFamily, AMemberWithoutANodeIsLookedAtAllTheSame) {
  write_noise(part(1), 0, kMiB, 1);
  ask({"snapshot", disk(), "--name", "before"});
  const OpenNode held(part(1));
  const std::string before = held.read(0, kMiB);
  OpenNode(part(1), O_RDWR).write(0, std::string(kMiB, 'x'));
  // Not created again: a node that the kernel did not create is not removed with its partition
  // either.
  std::filesystem::remove(part(1));
  ask({"rollback", disk(), "before"});
  EXPECT_EQ(held.read(0, kMiB), before);
}

TEST_F(DeviceFamily, OnlyWhatOverlapsIsOfTheFamily) {
  const auto first = host::block_device_at(part(1));
  const auto whole = host::block_device_at(disk());
  ASSERT_TRUE(first && whole);
  const auto of_first = host::device_family(*first);
  ASSERT_EQ(of_first.size(), 1U);
  EXPECT_EQ(of_first[0].device, *whole);
  EXPECT_EQ(of_first[0].range, (Extent{kFirst, host::device_size_bytes(*first)}));
  EXPECT_EQ(host::device_family(*whole).size(), 2U);
}

class PartitionTable : public DeviceFamily {
 protected:
  // Sizes in MiB, one partition after the other.
  void make_table(const std::string& label, std::initializer_list<int> sizes) {
    std::string script = "label: " + label + "\\n";
    for (const int size : sizes) script += "size=" + std::to_string(size) + "M\\n";
    run_program({"sh", "-c",
                 "printf '" + script +
                     "' | sfdisk --quiet --no-reread --no-tell-kernel --wipe always " + disk()});
  }
  void tell_kernel() { run_program({"sh", "-c", "partx -d " + disk() + "; partx -a " + disk()}); }
  void expect_kernel_agrees() {
    const auto device = host::block_device_at(disk());
    const OpenNode node(disk());
    const auto table = host::partitions_in_table(node.fd());
    ASSERT_TRUE(device && table);
    EXPECT_TRUE(host::partition_steps(host::partitions_in_kernel(*device), *table).empty());
  }
};

TEST_F(PartitionTable, AnotherTableIsTakenOver) {
  ask({"snapshot", disk(), "--name", "two"});
  make_table("gpt", {10, 5, 20});
  tell_kernel();
  EXPECT_EQ(ask({"rollback", disk(), "two"}).value("partition_table", ""), "reread");
  expect_kernel_agrees();
  EXPECT_FALSE(std::filesystem::exists(part(3)));
  EXPECT_EQ(ask({"undo", disk()}).value("partition_table", ""), "reread");
  expect_kernel_agrees();
  EXPECT_TRUE(std::filesystem::exists(part(3)));
}

TEST_F(PartitionTable, OfAnotherKindWithLogicalPartitions) {
  ask({"snapshot", disk(), "--name", "gpt"});
  run_program({"sh", "-c",
               "printf 'label: dos\\nsize=8M\\nsize=40M,type=5\\nsize=8M,start=40000\\n' | sfdisk "
               "--quiet --no-reread --no-tell-kernel --wipe always " +
                   disk()});
  ask({"snapshot", disk(), "--name", "dos"});
  EXPECT_EQ(ask({"rollback", disk(), "gpt"}).value("partition_table", ""), "unchanged");
  const json receipt = ask({"rollback", disk(), "dos"});
  EXPECT_EQ(receipt.value("partition_table", ""), "reread") << receipt.dump();
  expect_kernel_agrees();
  EXPECT_EQ(ask({"rollback", disk(), "gpt"}).value("partition_table", ""), "reread");
  expect_kernel_agrees();
}

TEST_F(PartitionTable, TheSameTableIsNotTouched) {
  ask({"snapshot", disk(), "--name", "before"});
  const OpenNode held(part(1));
  write_noise(part(2), 0, kMiB, 1);
  EXPECT_EQ(ask({"rollback", disk(), "before"}).value("partition_table", ""), "unchanged");
}

TEST_F(PartitionTable, APartitionThatIsOpenIsLeftAndTheReceiptSaysSo) {
  ask({"snapshot", disk(), "--name", "before"});
  make_table("gpt", {10, 30});
  tell_kernel();
  {
    const OpenNode held(part(2));
    const json receipt = ask({"rollback", disk(), "before"});
    EXPECT_EQ(receipt.value("partition_table", ""), "stale") << receipt.dump();
    const std::string command = "partx -d " + disk() + "; partx -a " + disk();
    EXPECT_EQ(receipt.value("partition_command", ""), command);
    EXPECT_NE(receipt.value("partition_reason", "").find("partition 2"), std::string::npos);
    const CliOutcome text =
        CliProgram().run_with({}, {"--store", store_, "rollback", disk(), "before"});
    EXPECT_NE(text.out.find(command), std::string::npos) << text.out;
  }
  // Only the kernel's partitions differ.
  EXPECT_EQ(ask({"rollback", disk(), "before"}).value("partition_table", ""), "reread");
  expect_kernel_agrees();
}

TEST_F(PartitionTable, TheCommandOfTheReceiptTakesItOver) {
  // The first partition grows into the space of the second one, which is open.
  make_table("gpt", {20, 10});
  tell_kernel();
  ask({"snapshot", disk(), "--name", "before"});
  make_table("gpt", {10, 5, 20});
  tell_kernel();
  std::string command;
  {
    const OpenNode held(part(2));
    const json receipt = ask({"rollback", disk(), "before"});
    EXPECT_EQ(receipt.value("partition_table", ""), "stale") << receipt.dump();
    command = receipt.value("partition_command", "");
  }
  run_program({"sh", "-c", command});
  expect_kernel_agrees();
  EXPECT_FALSE(std::filesystem::exists(part(3)));
}

TEST_F(PartitionTable, ADeviceWithoutOneSaysNothing) {
  const LoopDevice plain = make_disk("plain.img", kDiskBytes);
  ask({"snapshot", plain.path(), "--name", "before"});
  write_noise(plain.path(), 0, kMiB, 1);
  EXPECT_FALSE(ask({"rollback", plain.path(), "before"}).contains("partition_table"));
  ask({"snapshot", part(1), "--name", "before"});
  EXPECT_FALSE(ask({"rollback", part(1), "before"}).contains("partition_table"));
}

}  // namespace
}  // namespace blkrewind::test

#endif
