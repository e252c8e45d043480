#include "cli/thawed.h"

#include <gtest/gtest.h>

namespace blkrewind::cli {
namespace {

TEST(Thawed, SaysWhatWasDoneWithEach) {
  ThawReceipt receipt;
  receipt.file_systems = {{"/srv/a\nb", "ext4", 12, ThawOutcome::kThawed},
                          {"/srv/b", "xfs", 12, ThawOutcome::kNotFrozen},
                          {"/srv/c", "btrfs", 13, ThawOutcome::kNotMounted}};
  EXPECT_EQ(text_of(receipt),
            "/srv/a?b (ext4, frozen by process 12): thawed\n"
            "/srv/b (xfs, frozen by process 12): was not frozen any more\n"
            "/srv/c (btrfs, frozen by process 13): is not mounted any more\n");
  const Json json = json_of(receipt);
  ASSERT_EQ(json.at("file_systems").size(), 3U);
  EXPECT_EQ(dump(json.at("file_systems").at(0)),
            R"({"path":"/srv/a\nb","file_system":"ext4","process":12,"outcome":"thawed"})");
  EXPECT_EQ(json.at("file_systems").at(1).at("outcome"), "not_frozen");
  EXPECT_EQ(json.at("file_systems").at(2).at("outcome"), "not_mounted");
}

TEST(Thawed, SaysThatNothingWasLeft) {
  EXPECT_EQ(text_of(ThawReceipt{}), "no snapshot has left a file system frozen\n");
  EXPECT_EQ(dump(json_of(ThawReceipt{})), R"({"file_systems":[]})");
}

}  // namespace
}  // namespace blkrewind::cli
