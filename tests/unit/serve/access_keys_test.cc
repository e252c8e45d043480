#include "cli/serve/access_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/errors.h"
#include "support/temp_dir.h"

namespace blkrewind::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

class AccessKeyFile : public testing::Test {
 protected:
  std::string write(const std::string& text, mode_t mode = 0600) {
    const std::string path = directory_.file("keys");
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  test::TempDir directory_;
};

TEST_F(AccessKeyFile, HoldsOneKeyALine) {
  const auto keys = AccessKeys::load(
      write("# who may call\n\nLTAI-1.a_b   s3cret/+=#\n\t second\tother \r\n  # the end"));
  ASSERT_TRUE(keys) << keys.error().to_string();
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_EQ(keys->find("LTAI-1.a_b"), "s3cret/+=#");
  EXPECT_EQ(keys->find("second"), "other");
  EXPECT_EQ(keys->find("third"), std::nullopt);
  EXPECT_EQ(keys->find(""), std::nullopt);
}

TEST_F(AccessKeyFile, IsForItsOwnerAlone) {
  for (const mode_t mode : {0600U, 0400U}) {
    EXPECT_TRUE(AccessKeys::load(write("id secret", mode))) << mode;
  }
  for (const mode_t mode :
       {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0700U, 0666U, 01600U, 04600U}) {
    const std::string path = write("id secret", mode);
    const auto keys = AccessKeys::load(path);
    ASSERT_FALSE(keys) << mode;
    EXPECT_EQ(keys.error().code, Errc::kPrecondition);
    EXPECT_THAT(keys.error().message, HasSubstr("mode 0600 or 0400"));
    EXPECT_EQ(words_of(keys.error()), "make it readable by its owner only: chmod 600 " + path);
  }
}

TEST_F(AccessKeyFile, BelongsToTheCallerOrToRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string path = write("id secret");
  ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
  const auto keys = AccessKeys::load(path);
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Errc::kPrecondition);
  EXPECT_THAT(keys.error().message, HasSubstr("belongs to user 12345"));
  EXPECT_THAT(words_of(keys.error()), HasSubstr("chown 0 "));
}

TEST_F(AccessKeyFile, IsARegularFile) {
  const std::string fifo = directory_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {directory_.path(), fifo, std::string("/dev/null")}) {
    const auto keys = AccessKeys::load(path);
    ASSERT_FALSE(keys) << path;
    EXPECT_EQ(keys.error().code, Errc::kPrecondition);
    EXPECT_THAT(keys.error().message, HasSubstr("not a regular file"));
  }
  EXPECT_EQ(AccessKeys::load(directory_.path() + "/none").error().code, Errc::kNotFound);
}

TEST_F(AccessKeyFile, MayBeReachedByALink) {
  const std::string link = directory_.path() + "/link";
  std::filesystem::create_symlink(write("id secret"), link);
  EXPECT_TRUE(AccessKeys::load(link));
  write("id secret", 0644);
  EXPECT_FALSE(AccessKeys::load(link));
}

TEST_F(AccessKeyFile, IsNotTooLong) {
  const std::string line = "id secret\n#";
  EXPECT_TRUE(
      AccessKeys::load(write(line + std::string(kAccessKeyFileBytesMax - line.size(), ' '))));
  const auto keys = AccessKeys::load(write(std::string(kAccessKeyFileBytesMax + 1, '#')));
  ASSERT_FALSE(keys);
  EXPECT_THAT(keys.error().message, HasSubstr("longer than 65536 bytes"));
}

TEST(AccessKeys, AreRefusedWithoutTellingASecret) {
  for (const std::string line :
       {"onlysecret7", "id two secret7", "i/d secret7", "id s\xc3\xa9secret7", "id \x01secret7",
        "id secret7 # no comment here", "id:secret7"}) {
    const auto keys = AccessKeys::parse("first one\n" + line + "\n", "the file");
    ASSERT_FALSE(keys) << line;
    EXPECT_EQ(keys.error().code, Errc::kInvalidArgument);
    EXPECT_THAT(keys.error().message, HasSubstr("line 2 of the file"));
    EXPECT_THAT(keys.error().to_string() + words_of(keys.error()), Not(HasSubstr("secret7")));
  }
  EXPECT_FALSE(AccessKeys::parse(std::string(129, 'i') + " secret", "f"));
  EXPECT_FALSE(AccessKeys::parse("id " + std::string(257, 's'), "f"));
  EXPECT_FALSE(AccessKeys::parse(std::string_view("id sec\0ret", 10), "f"));
}

TEST(AccessKeys, AreThereAndEachOnce) {
  for (const char* text : {"", "\n\n", "# no key\n"}) {
    EXPECT_THAT(AccessKeys::parse(text, "f").error().message, HasSubstr("there is no access key"));
  }
  const auto twice = AccessKeys::parse("id one\nid two\n", "f");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message, "line 2 of f has an access key that came before");
}

TEST(AccessKeys, StayWhereTheyAreWhenTheyMove) {
  auto keys = AccessKeys::parse("id secret", "f").value();
  const char* const before = keys.find("id")->data();
  const AccessKeys moved = std::move(keys);
  EXPECT_EQ(moved.find("id")->data(), before);
}

// The memory of the secret is read after the object's end; it still belongs to the test.
TEST(Secret, IsWipedAtItsEnd) {
  alignas(Secret) std::array<char, sizeof(Secret)> memory{};
  auto* const secret = new (memory.data()) Secret(std::string_view("hunter2"));
  ASSERT_EQ(secret->view(), "hunter2");
  std::destroy_at(secret);
  EXPECT_EQ(std::string_view(memory.data(), memory.size()).find("hunter"), std::string_view::npos);
}

}  // namespace
}  // namespace blkrewind::serve
