// Where a file system is on a disk.
#include "cli/look/file_systems.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/fd.h"
#include "cli/look/loop_device.h"
#include "support/temp_dir.h"

namespace blkrewind::cli {
namespace {

constexpr std::uint64_t kDiskBytes = 64 * kMiB;

class Parts : public testing::Test {
 protected:
  void SetUp() override {
    file_.reset(::open(folder_.file("disk").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(file_.get(), kDiskBytes), 0);
  }

  void put(std::uint64_t at, const std::string& bytes) {
    ASSERT_EQ(::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(bytes.size()));
  }

  static std::string number(std::uint32_t value) {
    std::string bytes(4, '\0');
    std::memcpy(bytes.data(), &value, 4);
    return bytes;
  }

  // An entry of an MBR, in sectors.
  void put_partition(int index, std::uint32_t first, std::uint32_t count) {
    put(446 + 16 * index, std::string("\0\0\0\0\x83\0\0\0", 8) + number(first) + number(count));
    put(510, "\x55\xaa");
  }

  // As much of an ext2 superblock as it takes to be recognised.
  void put_ext2(std::uint64_t at, const std::string& label) {
    put(at + 1024 + 4, number(1024));  // blocks
    put(at + 1024 + 56, std::string("\x53\xef", 2));
    put(at + 1024 + 76, number(1));  // revision
    put(at + 1024 + 120, label);
  }

  Result<DiskParts> find() { return find_parts(file_.get(), kDiskBytes); }

  test::TempDir folder_;
  UniqueFd file_;
};

TEST_F(Parts, AFileSystemOnTheWholeDisk) {
  put_ext2(0, "data");
  const auto found = find();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->table, "");
  const auto chosen = choose_part(*found, {});
  ASSERT_TRUE(chosen.has_value()) << chosen.error().to_string();
  EXPECT_EQ(chosen->number, 0U);
  EXPECT_EQ(chosen->bytes, (Extent{0, kDiskBytes}));
  EXPECT_EQ(chosen->type, "ext2");
  EXPECT_EQ(chosen->label, "data");
  EXPECT_EQ(choose_part(*found, 1U).error().code, Errc::kNotFound);
}

TEST_F(Parts, TheOnlyPartitionWithAFileSystem) {
  put_partition(0, 2048, 2048);
  put_partition(1, 8192, 4096);
  put_ext2(8192 * 512, "root");
  const auto found = find();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->table, "dos");
  ASSERT_EQ(found->parts.size(), 2U);
  const auto chosen = choose_part(*found, {});
  ASSERT_TRUE(chosen.has_value());
  EXPECT_EQ(chosen->number, 2U);
  EXPECT_EQ(chosen->bytes, (Extent{8192 * 512, 4096 * 512}));
  const auto none = choose_part(*found, 1U);
  EXPECT_EQ(none.error().code, Errc::kNotFound);
  EXPECT_NE(none.error().message.find("1: 1 MiB, nothing known"), std::string::npos)
      << none.error().message;
  EXPECT_EQ(choose_part(*found, 3U).error().code, Errc::kNotFound);
}

TEST_F(Parts, SeveralAreListedAndOneIsChosen) {
  put_partition(0, 2048, 4096);
  put_partition(1, 8192, 4096);
  put_ext2(2048 * 512, "boot");
  put_ext2(8192 * 512, "root");
  const auto found = find();
  ASSERT_TRUE(found.has_value());
  const auto undecided = choose_part(*found, {});
  ASSERT_FALSE(undecided.has_value());
  EXPECT_EQ(undecided.error().code, Errc::kInvalidArgument);
  EXPECT_NE(undecided.error().message.find("1: 2 MiB, ext2 \"boot\"; 2: 2 MiB, ext2 \"root\""),
            std::string::npos)
      << undecided.error().message;
  EXPECT_EQ(choose_part(*found, 2U)->label, "root");
  EXPECT_EQ(undecided.error().remedy.to_string(), "choose 1 or 2 with --partition");
  const auto another = choose_part(*found, 3U);
  EXPECT_EQ(another.error().code, Errc::kNotFound);
  EXPECT_EQ(another.error().remedy.to_string(), "choose 1 or 2 with --partition");
}

TEST_F(Parts, APartitionOutsideOfTheDiskIsRefused) {
  const auto sectors = static_cast<std::uint32_t>(kDiskBytes / 512);
  for (const auto& [first, count] : {std::pair{2048U, sectors},
                                     {sectors, 2048U},
                                     {2048U, 0xffffffffU},
                                     {0xffffff00U, 0xffffffU}}) {
    put_partition(0, first, count);
    put_ext2(2048 * 512, "root");
    const auto found = find();
    ASSERT_TRUE(found.has_value());
    ASSERT_EQ(found->parts.size(), 1U) << first;
    EXPECT_TRUE(found->parts[0].outside) << first;
    const auto chosen = choose_part(*found, 1U);
    ASSERT_FALSE(chosen.has_value());
    EXPECT_EQ(chosen.error().code, Errc::kIntegrity);
    EXPECT_NE(choose_part(*found, {}).error().message.find("outside of the disk"),
              std::string::npos);
  }
  // Up to the last byte is inside.
  put_partition(0, 2048, sectors - 2048);
  EXPECT_FALSE(find()->parts.at(0).outside);
}

TEST_F(Parts, NothingIsSaidPlainly) {
  const auto found = find();
  ASSERT_TRUE(found.has_value());
  const auto chosen = choose_part(*found, {});
  EXPECT_EQ(chosen.error().code, Errc::kNotFound);
  EXPECT_NE(chosen.error().message.find("no file system"), std::string::npos);
}

TEST_F(Parts, WhatIsNoFileSystemIsNamed) {
  put(4096 - 10, "SWAPSPACE2");
  put(1024, number(1) + number(100));
  const auto found = find();
  ASSERT_TRUE(found.has_value());
  const auto chosen = choose_part(*found, {});
  ASSERT_FALSE(chosen.has_value());
  EXPECT_NE(chosen.error().message.find("swap"), std::string::npos) << chosen.error().message;
}

// Pure, so of more than a test would make.
TEST(ChosenPart, IsOfThoseWithAFileSystemAndTheListIsShort) {
  DiskParts parts{.table = "gpt", .parts = {}};
  const auto add = [&](unsigned number, const std::string& type, bool file_system) {
    DiskPart part;
    part.number = number;
    part.bytes = {number * kMiB, kMiB};
    part.type = type;
    part.file_system = file_system;
    parts.parts.push_back(std::move(part));
  };
  add(1, "swap", false);
  add(2, "ext4", true);
  add(3, "LVM2_member", false);
  add(4, "xfs", true);
  EXPECT_EQ(choose_part(parts, {}).error().message,
            "the disk has several partitions with a file system: 2: 1 MiB, ext4; 4: 1 MiB, xfs");
  for (unsigned number = 5; number <= 2000; ++number) add(number, "ext4", number % 2 == 0);
  const std::string many = choose_part(parts, {}).error().message;
  EXPECT_TRUE(many.ends_with("20: 1 MiB, ext4; and 990 more")) << many;
  const std::string none = choose_part(parts, 3000U).error().message;
  EXPECT_TRUE(none.ends_with("10: 1 MiB, ext4; and 1990 more")) << none;
  for (DiskPart& part : parts.parts) part.file_system = false;
  const auto nothing = choose_part(parts, {});
  EXPECT_TRUE(nothing.error().message.ends_with("; and 1990 more")) << nothing.error().message;
  EXPECT_TRUE(nothing.error().remedy.empty()) << "it may be a snapshot or a device";
}

TEST(LoopLabels, AreReadBack) {
  LoopLabel label;
  const LoopLabel given{.snapshot_id = "s-abc123", .partition = 2};
  EXPECT_TRUE(parse_label(label_text(given), label));
  EXPECT_EQ(label, given);
  for (const std::string text : {"", "/srv/disk.img", "blkrewind:", "blkrewind:s-abc",
                                 "blkrewind:s-abc:", "blkrewind:s-abc:x", "blkrewind:../etc:1",
                                 "blkrewind:s-a/b:1", "blkrewind:1"}) {
    EXPECT_FALSE(parse_label(text, label)) << text;
  }
}

}  // namespace
}  // namespace blkrewind::cli
