#include "cli/serve/address.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace blkrewind::serve {
namespace {

TEST(Address, NumericOnesAreRead) {
  struct Row {
    std::string text;
    std::string host;
    int port;
    bool loopback;
  };
  for (const Row& row :
       {Row{"127.0.0.1:8470", "127.0.0.1", 8470, true}, Row{"127.9.8.7:1", "127.9.8.7", 1, true},
        Row{"localhost:0", "127.0.0.1", 0, true}, Row{"[::1]:65535", "::1", 65535, true},
        Row{"0.0.0.0:80", "0.0.0.0", 80, false}, Row{"10.0.0.1:80", "10.0.0.1", 80, false},
        Row{"128.0.0.1:80", "128.0.0.1", 80, false}, Row{"[::]:80", "::", 80, false},
        Row{"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, false}}) {
    const auto address = parse_address(row.text);
    ASSERT_TRUE(address) << row.text << address.error().to_string();
    EXPECT_EQ(address->host, row.host);
    EXPECT_EQ(address->port, row.port);
    EXPECT_EQ(address->loopback, row.loopback) << row.text;
  }
}

TEST(Address, EverythingElseIsNone) {
  for (const std::string text :
       {"", ":", "8470", "127.0.0.1", "127.0.0.1:", ":8470", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1: 80", "127.0.0.1:80x", "127.1:80", "::1:80", "[::1]", "[]:80", "host.example:80",
        "[::1:80", "::1]:80", "999.0.0.1:80"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Errc::kInvalidArgument);
    EXPECT_FALSE(words_of(address.error()).empty());
  }
}

}  // namespace
}  // namespace blkrewind::serve
