// The catalog's rows about accepted rollbacks, snapshots and client tokens; and its version 1,
// which had none.
#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>

#include "support/golden_store.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

ResetRow row_for(const std::string& disk, const std::string& request) {
  ResetRow row;
  row.disk_id = disk;
  row.request_id = request;
  row.snapshot_id = "s-1";
  row.undo = false;
  row.accepted_at = 100;
  return row;
}

TEST_F(CatalogTest, ReadingWhatWasAcceptedMakesNoCatalog) {
  auto catalog = open();
  EXPECT_TRUE(catalog->resets()->empty());
  EXPECT_FALSE(*catalog->reset_of("d-1"));
  EXPECT_TRUE(catalog->snapshot_notes()->empty());
  EXPECT_FALSE(*catalog->token("t", {}));
  EXPECT_TRUE(ok(catalog->forget_snapshot("s-1")));
  EXPECT_TRUE(ok(catalog->forget_disk("d-1")));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(CatalogTest, ADiskHasOneReset) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->accept_reset(row_for("d-1", "R-1"))));
  ASSERT_TRUE(ok(catalog->accept_reset(row_for("d-2", "R-2"))));
  ASSERT_TRUE(ok(catalog->accept_reset(row_for("d-1", "R-3"))));
  auto again = open();
  const auto rows = again->resets();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  const ResetRow first = **again->reset_of("d-1");
  EXPECT_EQ(first.request_id, "R-3");
  EXPECT_EQ(first.snapshot_id, "s-1");
  EXPECT_EQ(first.state, ResetState::kAccepted);
  EXPECT_EQ(first.accepted_at, 100);
  EXPECT_FALSE(first.undo);

  ASSERT_TRUE(ok(catalog->end_reset("d-1", "R-1", {200, "X", "too late"})));
  EXPECT_EQ((*again->reset_of("d-1"))->state, ResetState::kAccepted) << "not the last one any more";
  ASSERT_TRUE(ok(catalog->end_reset("d-1", "R-3", {200, "X", "why"})));
  EXPECT_EQ((*again->reset_of("d-1"))->state, ResetState::kFailed);
  EXPECT_EQ((*again->reset_of("d-1"))->error_code, "X");
  EXPECT_EQ((*again->reset_of("d-1"))->error_message, "why");
  EXPECT_EQ((*again->reset_of("d-1"))->finished_at, 200);
  ASSERT_TRUE(ok(catalog->end_reset("d-1", "R-3", {300, "", ""})));
  EXPECT_EQ((*again->reset_of("d-1"))->state, ResetState::kFailed) << "it has ended";
  ASSERT_TRUE(ok(catalog->end_reset("d-2", "R-2", {300, "", ""})));
  EXPECT_EQ((*again->reset_of("d-2"))->state, ResetState::kDone);
  ASSERT_TRUE(ok(catalog->forget_disk("d-1")));
  EXPECT_FALSE(*again->reset_of("d-1"));
}

TEST_F(CatalogTest, NotesBelongToTheirSnapshots) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->note_snapshot({"s-2", 0, {{"b", "2"}, {"a", "1"}}}, {}, {})));
  ASSERT_TRUE(ok(catalog->note_snapshot({"s-1", 5, {}}, {}, {})));
  ASSERT_TRUE(ok(catalog->note_snapshot({"s-3", 6, {{"c", "3"}}}, {}, {})));
  const auto notes = catalog->snapshot_notes();
  ASSERT_TRUE(notes);
  ASSERT_EQ(notes->size(), 3U);
  EXPECT_EQ((*notes)[0].snapshot_id, "s-1");
  EXPECT_EQ((*notes)[0].retention_days, 5U);
  EXPECT_TRUE((*notes)[0].tags.empty());
  EXPECT_EQ((*notes)[1].tags, (std::vector<Tag>{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ((*notes)[2].tags, (std::vector<Tag>{{"c", "3"}}));
  ASSERT_TRUE(ok(catalog->forget_snapshot("s-2")));
  ASSERT_EQ(catalog->snapshot_notes()->size(), 2U);
  EXPECT_EQ((*catalog->snapshot_notes())[1].tags, (std::vector<Tag>{{"c", "3"}}));
}

TEST_F(CatalogTest, TokensAreForgottenAfterADay) {
  auto catalog = open();
  const auto at = [](std::int64_t seconds) { return Moment{seconds, seconds, "boot"}; };
  ASSERT_TRUE(ok(catalog->note_snapshot({"s-1", 0, {}}, {"t-1", "wishes", "s-1"}, at(1000))));
  const auto found = catalog->token("t-1", at(1000 + kTokenSeconds));
  ASSERT_TRUE(found);
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->parameters, "wishes");
  EXPECT_EQ((*found)->snapshot_id, "s-1");
  const std::int64_t later = 1001 + kTokenSeconds;
  EXPECT_FALSE(*catalog->token("t-1", at(later)));
  EXPECT_TRUE(*catalog->token("t-1", {later, 1001, "boot"})) << "the clock was set";
  EXPECT_TRUE(*catalog->token("t-1", {later, 10, "another"}))
      << "after a reboot nothing is certain";
  // The next one removes it.
  ASSERT_TRUE(ok(catalog->note_snapshot({"s-2", 0, {}}, {"t-2", "", "s-2"}, at(later))));
  SQLite::Database database(path_);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM client_tokens").getInt(), 1);
}

TEST_F(CatalogTest, RowsThatWereNotWrittenByItAreDamage) {
  { ASSERT_TRUE(ok(open()->accept_reset(row_for("d-1", "R-1")))); }
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.exec("UPDATE resets SET snapshot_id = 's-2'");
  }
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

TEST_F(CatalogTest, Version1IsReadAsItIsAndUpgradedByAChange) {
  namespace fs = std::filesystem;
  const fs::path golden = fs::path(test::golden_folder()) / "store" / "catalog.db";
  fs::copy_file(golden, path_);
  const auto version = [&] {
    SQLite::Database database(path_);
    return database.execAndGet("PRAGMA user_version").getInt();
  };
  ASSERT_EQ(version(), 1);
  auto catalog = open();
  EXPECT_TRUE(catalog->resets()->empty());
  EXPECT_TRUE(catalog->snapshot_notes()->empty());
  const std::size_t instances = catalog->instances()->size();
  EXPECT_EQ(version(), 1) << "reading changes nothing";
  ASSERT_TRUE(ok(catalog->accept_reset(row_for("d-1", "R-1"))));
  EXPECT_EQ(version(), kCatalogVersion);
  auto again = open();
  EXPECT_EQ(again->instances()->size(), instances);
  EXPECT_EQ((*again->reset_of("d-1"))->request_id, "R-1");
}

}  // namespace
}  // namespace blkrewind::control
