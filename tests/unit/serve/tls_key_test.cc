// The file of the private key: owner and permissions are checked on the opened file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/serve/tls.h"
#include "support/errors.h"
#include "support/temp_dir.h"

namespace blkrewind::serve {
namespace {

using testing::HasSubstr;

class TlsKeyTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=here " +
                             std::string("-keyout ") + key_ + " -out " + certificate_ +
                             " 2>/dev/null";
    if (std::system(make.c_str()) != 0) GTEST_SKIP() << "no openssl(1) to make a key with";
  }

  test::TempDir directory_;
  const std::string key_ = directory_.file("key.pem");
  const std::string certificate_ = directory_.file("cert.pem");
};

TEST_F(TlsKeyTest, MayBeReadByOthersAndNotWritten) {
  for (const mode_t mode : {0600U, 0640U, 0644U, 0400U}) {
    ASSERT_EQ(::chmod(key_.c_str(), mode), 0);
    const auto context = load_tls(certificate_, key_);
    EXPECT_TRUE(context) << mode << context.error().to_string();
  }
  for (const mode_t mode : {0620U, 0602U, 0666U}) {
    ASSERT_EQ(::chmod(key_.c_str(), mode), 0);
    const auto context = load_tls(certificate_, key_);
    ASSERT_FALSE(context) << mode;
    EXPECT_EQ(context.error().code, Errc::kPrecondition);
    EXPECT_THAT(words_of(context.error()), HasSubstr("chmod go-w " + key_));
  }
}

TEST_F(TlsKeyTest, IsARegularFileOfRootOrTheCaller) {
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(key_.c_str(), 65534, 65534), 0);
    EXPECT_EQ(load_tls(certificate_, key_).error().code, Errc::kPrecondition);
  }
  std::filesystem::remove(key_);
  ASSERT_EQ(::mkfifo(key_.c_str(), 0600), 0);
  EXPECT_EQ(load_tls(certificate_, key_).error().code, Errc::kPrecondition) << "and nothing waits";
}

TEST_F(TlsKeyTest, AnotherKeyOrNoneIsRefused) {
  std::ofstream(key_) << "no key";
  EXPECT_EQ(load_tls(certificate_, key_).error().code, Errc::kInvalidArgument);
  std::ofstream(key_) << std::string(1 << 20, 'a');
  EXPECT_EQ(load_tls(certificate_, key_).error().code, Errc::kInvalidArgument);
}

}  // namespace
}  // namespace blkrewind::serve
