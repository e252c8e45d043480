// Counting of the retention: by observed time, whatever the wall clock says.
#include <SQLiteCpp/SQLiteCpp.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "support/golden_store.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kDay = 86'400;

class CatalogClock : public CatalogTest {
 protected:
  void SetUp() override { catalog_ = open(); }

  void take(const std::string& id, std::uint32_t days) {
    ASSERT_TRUE(ok(catalog_->note_snapshot({id, days, {}}, {}, now_)));
  }
  std::vector<std::string> over() {
    auto ids = catalog_->count_retention(now_);
    EXPECT_TRUE(ids);
    return ids ? *ids : std::vector<std::string>{"?"};
  }
  // The machine runs, and the server counts at intervals.
  void run(std::int64_t seconds, std::int64_t step = kDay) {
    for (; seconds > 0; seconds -= step) {
      now_.wall += std::min(step, seconds);
      now_.boottime += std::min(step, seconds);
      static_cast<void>(over());
    }
  }
  void reboot(std::int64_t off, std::int64_t clock_wrong_by = 0) {
    now_.wall += off + clock_wrong_by;
    now_.boottime = 20;
    now_.boot_id = "boot-" + std::to_string(++boots_);
  }

  std::unique_ptr<Catalog> catalog_;
  Moment now_ = {1'700'000'000, 1000, "boot-0"};
  int boots_ = 0;
};

TEST_F(CatalogClock, IsOverWhenItsDaysHavePassed) {
  take("s-1", 30);
  take("s-2", 0);
  run(30 * kDay - 1);
  EXPECT_THAT(over(), IsEmpty());
  run(1);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, LooksThatAreCloseTogetherAddUp) {
  take("s-1", 1);
  run(kDay - 60, 60);
  EXPECT_THAT(over(), IsEmpty());
  run(60, 60);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, ALookWritesSeldom) {
  take("s-1", 1);
  run(3600, 60);
  SQLite::Database database(path_);
  const int counted = database.execAndGet("SELECT counted FROM clock").getInt();
  EXPECT_GE(counted, 3000);
  EXPECT_EQ(counted % 600, 0);
}

// The server was not running, the machine was.
TEST_F(CatalogClock, ARestartOfTheServerCostsNothing) {
  take("s-1", 30);
  catalog_ = open();
  run(30 * kDay, 30 * kDay);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, AClockThatIsSetRightEndsNothing) {
  now_.wall = 946'684'800;  // 2000: no battery
  take("s-1", 30);
  run(60, 60);
  now_.wall = 1'700'000'000;
  EXPECT_THAT(over(), IsEmpty());
  run(30 * kDay - 61);
  EXPECT_THAT(over(), IsEmpty());
  run(60);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, AClockThatIsAheadForAWhileEndsNothing) {
  take("s-1", 30);
  now_.wall += 400 * kDay;
  EXPECT_THAT(over(), IsEmpty());
  run(3600, 60);
  now_.wall -= 400 * kDay;
  run(3600, 60);
  EXPECT_THAT(over(), IsEmpty());
  run(30 * kDay);
  EXPECT_THAT(over(), ElementsAre("s-1")) << "nor does it keep it for ever";
}

TEST_F(CatalogClock, AClockThatIsAheadAfterARebootEndsNothing) {
  take("s-1", 30);
  run(29 * kDay);
  reboot(60, 3650 * kDay);
  EXPECT_THAT(over(), IsEmpty()) << "in the first second";
  run(600, 60);
  now_.wall -= 3650 * kDay;  // NTP
  run(3600, 60);
  EXPECT_THAT(over(), IsEmpty());
  run(kDay - 5400, 60);
  EXPECT_THAT(over(), IsEmpty()) << "what the wrong clock owed is forgotten";
  run(3600, 60);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, AClockThatStaysAheadNeverEndsOneBeforeHalfOfItsTime) {
  take("s-1", 30);
  reboot(60, 3650 * kDay);
  run(15 * kDay - 60, 6 * 3600);
  EXPECT_THAT(over(), IsEmpty());
}

TEST_F(CatalogClock, TimeThatTheMachineWasOffIsMadeUpFor) {
  take("s-1", 30);
  run(10 * kDay);
  reboot(10 * kDay);
  EXPECT_THAT(over(), IsEmpty());
  run(5 * kDay);
  EXPECT_THAT(over(), IsEmpty()) << "20 of 30";
  run(5 * kDay);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, RebootsCostNothing) {
  take("s-1", 30);
  for (int i = 0; i < 30; ++i) {
    run(kDay - 120, 6 * 3600);
    reboot(120);
    static_cast<void>(over());
  }
  EXPECT_THAT(over(), IsEmpty()) << "what the last reboot took is owed";
  run(120, 60);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, AClockThatGoesBackAcrossARebootGoesOnCounting) {
  take("s-1", 2);
  reboot(60, -1000 * kDay);
  EXPECT_THAT(over(), IsEmpty());
  run(2 * kDay);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, ASnapshotIsNotGrantedWhatPassedBeforeIt) {
  take("s-1", 30);
  now_.wall += 20 * kDay;
  now_.boottime += 20 * kDay;
  take("s-2", 10);
  EXPECT_THAT(over(), IsEmpty());
  run(10 * kDay - 1);
  EXPECT_THAT(over(), IsEmpty());
  run(1);
  EXPECT_THAT(over(), ElementsAre("s-1", "s-2"));
}

TEST_F(CatalogClock, CountingIsSealed) {
  take("s-1", 30);
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.exec("UPDATE clock SET wall = 0");
  }
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

// Literally as created by version 2, with a row in each of its tables.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE resets(
  disk_id TEXT PRIMARY KEY NOT NULL,
  request_id TEXT NOT NULL,
  snapshot_id TEXT NOT NULL,
  undo INTEGER NOT NULL CHECK(undo IN (0, 1)),
  state TEXT NOT NULL CHECK(state IN ('accepted', 'done', 'failed')),
  accepted_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL
) STRICT;
CREATE TABLE snapshot_notes(
  snapshot_id TEXT PRIMARY KEY NOT NULL,
  retention_days INTEGER NOT NULL
) STRICT;
CREATE TABLE snapshot_tags(
  snapshot_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(snapshot_id, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE client_tokens(
  token TEXT PRIMARY KEY NOT NULL,
  parameters TEXT NOT NULL,
  snapshot_id TEXT NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
INSERT INTO resets VALUES('d-1', 'R-1', 's-1', 1, 'accepted', 100, 0, '', '');
INSERT INTO snapshot_notes VALUES('s-1', 30);
INSERT INTO client_tokens VALUES('t-1', 'wishes', 's-1', 100);
INSERT OR REPLACE INTO disks VALUES('d-1', 'i-local', 1, 2, 3);
DROP TABLE content_digest;
PRAGMA user_version=2;
)sql";

TEST_F(CatalogClock, Version2IsReadAsItIsAndCountedFromItsUpgradeOn) {
  namespace fs = std::filesystem;
  fs::copy_file(fs::path(test::golden_folder()) / "store" / "catalog.db", path_);
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.tryExec("CREATE TABLE IF NOT EXISTS content_digest(value INTEGER NOT NULL) STRICT");
    database.exec(kVersion2);
  }
  catalog_ = open();
  const auto expect_rows = [&] {
    const auto reset = catalog_->reset_of("d-1");
    ASSERT_TRUE(reset && *reset);
    EXPECT_EQ((*reset)->accepted(), (Moment{100, 0, ""}));
    EXPECT_EQ((*reset)->last_before, kNotRecorded);
    const auto disk = catalog_->attachment("d-1");
    ASSERT_TRUE(disk && *disk);
    EXPECT_EQ((*disk)->detached_at, 3);
    EXPECT_EQ((*disk)->detached_before, 0U);
    EXPECT_TRUE(*catalog_->token("t-1", now_));
  };
  expect_rows();
  EXPECT_THAT(over(), IsEmpty());
  expect_rows();
  EXPECT_EQ(SQLite::Database(path_).execAndGet("PRAGMA user_version").getInt(), kCatalogVersion);
  run(30 * kDay - 1);
  EXPECT_THAT(over(), IsEmpty());
  run(1);
  EXPECT_THAT(over(), ElementsAre("s-1"));
}

TEST_F(CatalogClock, ReadingWithoutACatalogMakesNone) {
  EXPECT_THAT(over(), IsEmpty());
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace blkrewind::control
