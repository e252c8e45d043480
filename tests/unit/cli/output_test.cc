#include "cli/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "cli/receipts.h"
#include "unit/cli/capture.h"

namespace blkrewind::cli {
namespace {

TEST(Table, AlignsColumnsAndEndsLinesAtTheirText) {
  Table table({{"ID"}, {"SIZE", Table::Align::kRight}, {"NAME"}});
  table.add({"s-1", "1 GiB",
             "b\xC3\xA9"
             "fore"});
  table.add({"s-100", "64 KiB", ""});
  EXPECT_EQ(table.text("  "),
            "  ID       SIZE  NAME\n"
            "  s-1     1 GiB  b\xC3\xA9"
            "fore\n"
            "  s-100  64 KiB  -\n");
}

TEST(Facts, AlignsValuesAndLeavesOutEmptyOnes) {
  EXPECT_EQ(Facts().add("size", "1 GiB").add("nothing", "").add("id", "s-1").text(),
            "  size  1 GiB\n"
            "  id    s-1\n");
}

TEST(Printable, ReplacesControlCharacters) {
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a?[2J??");
  EXPECT_EQ(printable("\xC3\xA9"), "\xC3\xA9");
}

TEST(Counted, KnowsOneFromMany) {
  EXPECT_EQ(counted(0, "extent"), "0 extents");
  EXPECT_EQ(counted(1, "extent"), "1 extent");
  EXPECT_EQ(counted(2, "extent"), "2 extents");
}

TEST(Writer, ReportsAFullDisk) {
  std::FILE* const full = std::fopen("/dev/full", "w");
  if (full == nullptr) GTEST_SKIP() << "there is no /dev/full";
  Writer writer(full, "standard output");
  Status done = writer.write("x");
  if (done) done = writer.flush();
  EXPECT_FALSE(done);
  if (!done) {
    EXPECT_EQ(done.error().code, Errc::kNoSpace);
    EXPECT_EQ(done.error().sys_errno, ENOSPC);
  }
  std::fclose(full);
}

TEST(Writer, IsNoTerminalWithoutAFile) {
  test::Capture capture;
  Writer writer(capture.stream(), "memory");
  EXPECT_FALSE(writer.is_terminal());
  ASSERT_TRUE(writer.write("text"));
  EXPECT_EQ(capture.text(), "text");
}

TEST(RollbackText, SaysHowToTakeItBack) {
  RollbackReceipt receipt;
  receipt.snapshot_id = "s-1";
  receipt.undo_snapshot_id = "s-2";
  const std::string text = text_of(receipt, RollbackVerb::kRollback, "/dev/loop0", "before",
                                   "blkrewind undo /dev/loop0");
  EXPECT_EQ(text.substr(0, text.find('\n')), "rolled back /dev/loop0 to s-1 (before)");
  EXPECT_NE(text.find("blkrewind undo /dev/loop0"), std::string::npos);
  receipt.undo_snapshot_id.reset();
  EXPECT_EQ(text_of(receipt, RollbackVerb::kRollback, "/dev/loop0", "s-1", "blkrewind undo X")
                .find("undo"),
            std::string::npos);
}

// The rate is that of the scan, whatever else the operation did.
TEST(ReceiptText, ScannedIsOfTheScansOwnTime) {
  const std::string scanned = "4 GiB in 2.00 s (2 GiB/s)";
  SnapshotReceipt snapshot;
  RollbackReceipt rollback;
  DiffReceipt diff;
  snapshot.scanned_bytes = rollback.scanned_bytes = diff.scanned_bytes = 4 * kGiB;
  snapshot.scan_seconds = rollback.scan_seconds = diff.scan_seconds = 2;
  snapshot.elapsed_seconds = rollback.elapsed_seconds = diff.elapsed_seconds = 8;
  EXPECT_THAT(text_of(snapshot, "d", ""), testing::HasSubstr(scanned));
  EXPECT_THAT(text_of(rollback, RollbackVerb::kRollback, "d", "s-1", ""),
              testing::HasSubstr(scanned));
  EXPECT_THAT(text_of(diff), testing::HasSubstr(scanned));
}

TEST(RollbackText, OfADryRunClaimsNothing) {
  RollbackReceipt receipt;
  receipt.snapshot_id = "s-1";
  receipt.dry_run = true;
  const std::string text = text_of(receipt, RollbackVerb::kRollback, "d", "s-1", "");
  EXPECT_EQ(text.substr(0, text.find('\n')), "would roll back d to s-1; nothing was written");
}

TEST(DiskText, IsLoudAboutAnInterruptedRollback) {
  DiskInfo disk;
  disk.id = "d-1";
  disk.pending_rollback = PendingRollback{};
  disk.pending_rollback->snapshot_id = "s-1";
  const Advice advice{.resume = "RESUME-COMMAND", .undo = "UNDO-COMMAND"};
  std::string text = text_of(disk, advice);
  EXPECT_NE(text.find("INTERRUPTED ROLLBACK to s-1"), std::string::npos);
  EXPECT_NE(text.find("RESUME-COMMAND"), std::string::npos);
  EXPECT_EQ(text.find("UNDO-COMMAND"), std::string::npos) << "nothing was kept that undo could use";
  disk.pending_rollback->undo_snapshot_id = "s-2";
  EXPECT_NE(text_of(disk, advice).find("UNDO-COMMAND"), std::string::npos);
  disk.pending_rollback->running = true;
  text = text_of(disk, advice);
  EXPECT_EQ(text.find("INTERRUPTED"), std::string::npos);
  EXPECT_NE(text.find("is running"), std::string::npos);
}

}  // namespace
}  // namespace blkrewind::cli
