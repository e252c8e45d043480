// Files that differ, as text and as JSON.
#include <gtest/gtest.h>

#include <string>

#include "cli/files/receipts.h"

namespace blkrewind::cli {
namespace {

FileDifference changed(const std::string& path) {
  return {.path = path,
          .before = FileKind::kFile,
          .after = FileKind::kFile,
          .size_before = 27000,
          .size_after = 27002,
          .content = true};
}

TEST(FileReceipts, SayWhatHappenedInOneLine) {
  EXPECT_EQ(line_of(changed("etc/fstab")), "M f etc/fstab  27000 -> 27002 bytes");
  EXPECT_EQ(line_of({.path = "new", .after = FileKind::kDirectory}), "+ d new");
  EXPECT_EQ(line_of({.path = "gone", .before = FileKind::kLink}), "- l gone");
  EXPECT_EQ(line_of({.path = "other", .before = FileKind::kFile, .after = FileKind::kDirectory}),
            "T d other");
  FileDifference mode = changed("mode");
  mode.size_after = mode.size_before;
  mode.content = false;
  mode.attributes = true;
  EXPECT_EQ(line_of(mode), "m f mode");
}

TEST(FileReceipts, KeepTheBytesOfANameThatIsNotUtf8) {
  EXPECT_FALSE(json_of(changed("etc/\xc3\xa4")).contains("path_hex"));
  const Json json = json_of(changed("a\xff\n"));
  EXPECT_EQ(json.at("path_hex"), "61ff0a");
  EXPECT_EQ(json.at("before"), "file");
  EXPECT_TRUE(json_of({.path = "gone", .before = FileKind::kLink}).at("after").is_null());
}

}  // namespace
}  // namespace blkrewind::cli
