// The record in a clone's attribute: decoded as it was encoded, and without control characters.
#include "track/extents/clone_record.h"

#include <gtest/gtest.h>

namespace blkrewind::track {
namespace {

CloneRecord record() {
  CloneRecord record;
  record.store_uuid = "00010203-0405-0607-0809-0a0b0c0d0e0f";
  record.disk_id = "d-1";
  record.base = "s-1";
  record.image_inode = 5;
  record.range = {0, 4096};
  record.inode = 7;
  record.modified_ns = -3;
  return record;
}

TEST(CloneRecordTest, IsReadAsItWasWritten) {
  CloneRecord written = record();
  written.base.clear();
  written.why = "a line\nand\x1b[2Janother";
  const auto read = decode_record(encode(written));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->disk_id, "d-1");
  EXPECT_EQ(read->why, "a line and [2Janother");
  EXPECT_EQ(read->modified_ns, -3);
}

TEST(CloneRecordTest, ControlCharactersAndLongTextsAreNone) {
  const std::string good = encode(record());
  ASSERT_TRUE(decode_record(good));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return decode_record(text).has_value();
  };
  EXPECT_FALSE(with("why=", "why=\x1b[2J"));
  EXPECT_FALSE(with("why=", "why=\r"));
  EXPECT_FALSE(with("why=", "why=" + std::string(513, 'a')));
  EXPECT_TRUE(with("why=", "why=" + std::string(512, 'a')));
  EXPECT_FALSE(with("disk=", "disk"));
}

}  // namespace
}  // namespace blkrewind::track
