// The end of a request, and that it does not depend on how the bytes arrive.
#include "cli/serve/framing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/serve/request.h"

namespace blkrewind::serve {
namespace {

using State = Framing::State;

struct Outcome {
  State state = State::kIncomplete;
  std::size_t length = 0;
  int status = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome outcome_of(const Framing& framing, State state) {
  return {state, state == State::kComplete ? framing.length_bytes() : 0, framing.status()};
}

Outcome at_once(const std::string& bytes) {
  Framing framing;
  const State state = framing.look(bytes);
  return outcome_of(framing, state);
}

// As soon as it is decided.
Outcome byte_by_byte(const std::string& bytes) {
  Framing framing;
  State state = State::kIncomplete;
  for (std::size_t size = 1; size <= bytes.size() && state == State::kIncomplete; ++size) {
    state = framing.look(std::string_view(bytes).substr(0, size));
  }
  return outcome_of(framing, state);
}

const std::string kGet = "GET /?a=b HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b";

// As sent by one of the published SDKs for forms.
TEST(Framing, AChunkedBodyEndsWithItsLastChunk) {
  const std::string request =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nA=1\r\n0\r\n\r\n";
  Framing framing;
  for (std::size_t size = 1; size < request.size(); ++size) {
    ASSERT_EQ(framing.look(request.substr(0, size)), Framing::State::kIncomplete) << size;
  }
  EXPECT_EQ(framing.look(request + "GET /"), Framing::State::kComplete);
  EXPECT_EQ(framing.length_bytes(), request.size());
}

TEST(Framing, ARequestEndsWithItsBody) {
  EXPECT_EQ(at_once(kGet), (Outcome{State::kComplete, kGet.size(), 0}));
  EXPECT_EQ(at_once(kPost), (Outcome{State::kComplete, kPost.size(), 0}));
  EXPECT_EQ(at_once(kGet + kPost), (Outcome{State::kComplete, kGet.size(), 0}));
  EXPECT_EQ(at_once(kPost + kGet), (Outcome{State::kComplete, kPost.size(), 0}));
  EXPECT_EQ(at_once("POST / HTTP/1.0\r\n\r\n"), (Outcome{State::kComplete, 19, 0}));
  EXPECT_EQ(at_once("POST / HTTP/1.1\r\nContent-Length:007\r\n\r\n0123456").state,
            State::kComplete);
}

TEST(Framing, IsTheSameHoweverTheBytesCome) {
  for (const std::string& bytes :
       {kGet, kPost, kGet + kPost, kPost + kGet, std::string("hello\r\n\r\n"),
        std::string("GET / HTTP/1.1\nHost: h\n\n"), std::string("\r\n") + kGet,
        std::string("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"),
        std::string("\x16\x03\x01\x02")}) {
    EXPECT_EQ(at_once(bytes), byte_by_byte(bytes)) << bytes;
  }
}

TEST(Framing, APrefixIsNeverARequest) {
  for (const std::string& bytes : {kGet, kPost}) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(at_once(bytes.substr(0, size)).state, State::kIncomplete) << size;
    }
  }
}

TEST(Framing, TellsWhatIsWrong) {
  const auto status = [](const std::string& headers) {
    return at_once("POST / HTTP/1.1\r\n" + headers + "\r\n\r\n").status;
  };
  EXPECT_EQ(status("Content-Length: " + std::to_string(kBodyBytesMax + 1)), 413);
  EXPECT_EQ(status("Expect: 100-continue"), 417);
  EXPECT_EQ(status("Host: a\r\nHost: a"), 400);
  EXPECT_EQ(status("Content-Length: 1844674407370955161"), 400) << "beyond 64 bits, nearly";
}

TEST(Framing, ABodyOfAnotherMethodIsNotLookedAt) {
  Framing framing;
  EXPECT_EQ(framing.look("PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), State::kComplete);
  EXPECT_TRUE(framing.ends_connection());
  EXPECT_EQ(at_once("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").status, 400);
}

TEST(Framing, NoByteButOfTextIsInAHead) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes =
        std::string("GET / HTTP/1.1\r\nX: a") + static_cast<char>(byte) + "b\r\n\r\n";
    const bool text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    EXPECT_EQ(at_once(bytes).state, text ? State::kComplete : State::kRefused) << byte;
  }
}

}  // namespace
}  // namespace blkrewind::serve
