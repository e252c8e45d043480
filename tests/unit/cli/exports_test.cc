#include "cli/nbdkit/exports.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace blkrewind::nbd {
namespace {

TEST(NbdExports, AreNamedByDiskAndNameOrById) {
  SnapshotInfo snapshot;
  snapshot.id = "s-1a";
  snapshot.disk_id = "d-2b";
  EXPECT_EQ(export_name(snapshot), "s-1a");
  snapshot.name = "before";
  EXPECT_EQ(export_name(snapshot), "d-2b/before");
  const auto back = wanted(export_name(snapshot), {});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->snapshot, "before");
  EXPECT_EQ(back->disk_id, "d-2b");
}

TEST(NbdExports, AreAskedFor) {
  struct Row {
    std::string name;
    std::string only_disk;
    std::string snapshot;
    std::string disk_id;
  };
  for (const Row& row :
       {Row{"before", "", "before", ""}, Row{"before", "d-2b", "before", "d-2b"},
        Row{"s-1a", "", "s-1a", ""}, Row{"s-1a", "d-2b", "s-1a", "d-2b"},
        Row{"d-2b/s-1a", "", "s-1a", "d-2b"}, Row{"d-2b/before it", "d-2b", "before it", "d-2b"},
        Row{"d-2b/a/b", "", "a/b", "d-2b"}, Row{"d-2b/", "", "", "d-2b"}}) {
    const auto found = wanted(row.name, row.only_disk);
    ASSERT_TRUE(found) << row.name;
    EXPECT_EQ(found->snapshot, row.snapshot) << row.name;
    EXPECT_EQ(found->disk_id, row.disk_id) << row.name;
    EXPECT_FALSE(found->may_move()) << row.name;
  }
  EXPECT_TRUE(wanted("latest", "d-2b")->may_move());
  EXPECT_TRUE(wanted("d-2b/latest", "")->may_move());
}

TEST(NbdExports, NoPathAndNothingUnprintableIsTaken) {
  const std::string longest = "d-" + std::string(28, 'x') + "/" + std::string(128, 'y');
  EXPECT_TRUE(wanted(longest, {}));
  for (const std::string name : {"", "/", "/dev/vdb/before", "../before", "./d-2b/before",
                                 "d-/before", "s-1a/before", "a/"}) {
    const auto found = wanted(name, {});
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, Errc::kInvalidArgument) << name;
  }
  for (const std::string& name :
       {std::string("a\nb"), std::string("\x1b[2J"), std::string("\xc2\x9b"), std::string("\xff"),
        std::string("a\0b", 3), longest + "y"}) {
    const auto found = wanted(name, {});
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, Errc::kInvalidArgument) << name;
    EXPECT_EQ(line_of(found.error()).find(name), std::string::npos) << name;
  }
  const auto foreign = wanted("d-3c/before", "d-2b");
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Errc::kNotFound);
}

TEST(NbdExports, AreRefusedInTheWordsOfThePlugin) {
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message = "two have it";
  error.remedy = Remedy(Verb::kRepeat, "say of which disk it is", {{Parameter::kOfDisk, {}}})
                     .or_else("name one of them by its id");
  EXPECT_EQ(
      line_of(error),
      error.to_string() + " (say of which disk it is, with disk=; or name one of them by its id)");
}

TEST(NbdExports, AreDescribed) {
  SnapshotInfo snapshot;
  snapshot.id = "s-1a";
  snapshot.disk_id = "d-2b";
  snapshot.device_bytes = 64 * kMiB;
  snapshot.created_at = 1'000'000'000;
  EXPECT_EQ(description(snapshot), "snapshot s-1a of d-2b, 64 MiB, 2001-09-09 01:46:40 UTC");
  snapshot.kind = SnapshotKind::kUndo;
  snapshot.damaged = true;
  snapshot.description = "before the upgrade";
  EXPECT_EQ(description(snapshot),
            "undo snapshot s-1a of d-2b, 64 MiB, 2001-09-09 01:46:40 UTC, damaged: before the "
            "upgrade");
}

Error error_of(Errc code, int sys_errno = 0) {
  Error error;
  error.code = code;
  error.sys_errno = sys_errno;
  error.message = "no";
  return error;
}

TEST(NbdExports, ErrorsHaveTheErrnoOfTheirKind) {
  EXPECT_EQ(errno_of_open(error_of(Errc::kNotFound)), ENOENT);
  EXPECT_EQ(errno_of_open(error_of(Errc::kBusy)), EBUSY);
  EXPECT_EQ(errno_of_open(error_of(Errc::kInvalidArgument)), EINVAL);
  EXPECT_EQ(errno_of_open(error_of(Errc::kUnsupported)), ENOTSUP);
  EXPECT_EQ(errno_of_open(error_of(Errc::kIo, ENOMEM)), ENOMEM);
  EXPECT_EQ(errno_of_open(error_of(Errc::kIntegrity)), EIO);
  // A segment that is not there is the server's trouble.
  for (const Errc code : {Errc::kIntegrity, Errc::kIo, Errc::kNotFound, Errc::kInternal}) {
    EXPECT_EQ(errno_of_read(error_of(code, ENOENT)), EIO);
  }
  EXPECT_EQ(errno_of_read(error_of(Errc::kIo, ENOMEM)), ENOMEM);
}

}  // namespace
}  // namespace blkrewind::nbd
