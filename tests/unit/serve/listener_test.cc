// The listener alone: its start and end, and errors between it and the kernel.
#include "cli/serve/listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace blkrewind::serve {
namespace {

using namespace std::chrono_literals;

class ListenerTest : public testing::Test {
 protected:
  std::unique_ptr<Listener> make(int port = 0, std::size_t connections_max = 4) {
    ListenerOptions options;
    options.port = port;
    options.connections_max = connections_max;
    return std::make_unique<Listener>(
        std::move(options),
        [this](const RawRequest&, const std::string&) {
          return Answer{200, "text/x", body_};
        },
        [](int status, const std::string&) {
          return Answer{status, "text/x", "refused"};
        });
  }

  void start(std::size_t connections_max = 4) {
    listener_ = make(0, connections_max);
    const auto port = listener_->bind();
    ASSERT_TRUE(port);
    port_ = *port;
    runs_ = std::thread([this] { listener_->run(); });
  }

  void TearDown() override {
    if (!runs_.joinable()) return;
    listener_->stop();
    runs_.join();
  }

  [[nodiscard]] UniqueFd connected() const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience = {5, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return UniqueFd(-1);
    }
    return fd;
  }

  // Everything that is received; empty: no answer.
  [[nodiscard]] std::string ask(const std::string& bytes) const {
    const UniqueFd fd = connected();
    if (fd.get() < 0) return {};
    (void)send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    (void)shutdown(fd.get(), SHUT_WR);
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

  static std::size_t answers_in(const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != std::string::npos; ++at) ++count;
    return count;
  }

  std::string body_ = "ok";
  std::unique_ptr<Listener> listener_;
  std::thread runs_;
  int port_ = 0;
};

constexpr const char* kPlainGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

// A signal that comes while the server starts.
TEST_F(ListenerTest, StopsWhenItIsStoppedBeforeItRuns) {
  const auto listener = make();
  ASSERT_TRUE(listener->bind());
  std::thread stops([&] { listener->stop(); });
  std::this_thread::sleep_for(100ms);
  listener->run();
  stops.join();
}

TEST_F(ListenerTest, APortIsForOne) {
  start();
  EXPECT_FALSE(make(port_)->bind()) << "half of the requests would be lost to each";
}

// accept(2) fails once, as it does without memory; here because the socket was shut down.
TEST_F(ListenerTest, GoesOnAfterAnErrorOfAccept) {
  start();
  ASSERT_EQ(answers_in(ask(kPlainGet)), 1U);
  for (int fd = 3; fd < 1024; ++fd) {
    int listens = 0;
    socklen_t length = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0) {
      ASSERT_EQ(shutdown(fd, SHUT_RD), 0);
    }
  }
  std::string answer;
  for (int i = 0; i < 500 && answer.empty(); ++i) {
    answer = ask(kPlainGet);
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(answers_in(answer), 1U);
}

TEST_F(ListenerTest, ABurstOfConnectionsDoesNotWait) {
  start();
  const auto began = std::chrono::steady_clock::now();
  std::vector<UniqueFd> burst;
  for (int i = 0; i < 100; ++i) burst.push_back(connected());
  EXPECT_LT(std::chrono::steady_clock::now() - began, 900ms)
      << "a lost SYN is sent again after 1 s";
}

TEST_F(ListenerTest, RefusingManyDoesNotHoldUpTheNextOne) {
  start();
  std::vector<UniqueFd> held;
  for (int i = 0; i < 4; ++i) held.push_back(connected());
  std::this_thread::sleep_for(100ms);  // until each has its thread
  const auto began = std::chrono::steady_clock::now();
  std::vector<UniqueFd> refused;
  for (int i = 0; i < 50; ++i) refused.push_back(connected());
  held.clear();
  EXPECT_EQ(answers_in(ask(kPlainGet)), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
}

// Data that the library leaves unread would be parsed as the next request, on a connection that a
// proxy may share.
TEST_F(ListenerTest, ABodyIsNeverTheNextRequest) {
  start();
  const std::string inner = "GET /healthz HTTP/1.1\r\nA: b\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(inner.size()) + "\r\n";
  for (const std::string& head : {"GET / HTTP/1.1\r\n" + length,
                                  std::string("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"),
                                  "POST / HTTP/1.1\r\nContent-Length: 0\r\n" + length,
                                  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + length}) {
    const std::string answer = ask(head + "\r\n" + inner);
    EXPECT_EQ(answers_in(answer), 1U) << head << answer;
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << head << answer;
  }
  // The gateway refuses these by their method; the connection is then closed.
  for (const std::string method : {"HEAD", "PUT", "DELETE"}) {
    EXPECT_EQ(answers_in(ask(method + " / HTTP/1.1\r\n" + length + "\r\n" + inner)), 1U) << method;
  }
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 200"));
}

// RFC 9112, 6.3: a request whose length cannot be determined ends the connection.
TEST_F(ListenerTest, WhatIsNoLengthIsRefusedAndNothingAfterItIsAnswered) {
  start();
  const std::string inner = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const std::string header : {"Content-Length: abc",
                                   "Content-Length: 0x10",
                                   "Content-Length: +0",
                                   "Content-Length: -1",
                                   "Content-Length:  5",
                                   "Content-Length: 5 ",
                                   "Content-Length: 0, 5",
                                   "Content-Length: 5, 5",
                                   "Content-Length:",
                                   "Content-Length: ",
                                   "Content-Length: 99999999999999999999",
                                   "Content-Length: 5\r\nContent-Length: 5",
                                   "Content-Length: 0\r\ncontent-length: 5",
                                   "Content-Length : 5",
                                   "Content-Length\t: 5",
                                   "Transfer-Encoding: chunked",
                                   "Transfer-Encoding : chunked",
                                   "Transfer-Encoding:\tchunked",
                                   "transfer-encoding: identity",
                                   "Content-Length: 5\r\nTransfer-Encoding: chunked",
                                   "X: a\r\n Content-Length: 5",
                                   "X: a\r\n\tb",
                                   "X: a\nContent-Length: 5",
                                   "X: a\rContent-Length: 5",
                                   ": a",
                                   "X",
                                   " X: a"}) {
    const std::string answer = ask("POST / HTTP/1.1\r\nHost: h\r\n" + header + "\r\n\r\n" + inner);
    EXPECT_EQ(answers_in(answer), 1U) << header << "\n" << answer;
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << header << "\n" << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  }
  const std::string nul = std::string("POST / HTTP/1.1\r\nX: a") + '\0' + "b\r\n\r\n" + inner;
  EXPECT_EQ(answers_in(ask(nul)), 1U);
}

TEST_F(ListenerTest, RequestsInOnePacketAreAnsweredInOrder) {
  start();
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b";
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  std::string all;
  for (int i = 0; i < 50; ++i) all += post + get;
  EXPECT_EQ(answers_in(ask(all)), 100U);
}

TEST_F(ListenerTest, ARequestThatComesByteByByteIsOneRequest) {
  start();
  const UniqueFd fd = connected();
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b";
  for (const char byte : post) {
    ASSERT_EQ(send(fd.get(), &byte, 1, MSG_NOSIGNAL), 1);
    std::this_thread::sleep_for(1ms);
  }
  std::string text(15, '\0');
  ASSERT_EQ(recv(fd.get(), text.data(), text.size(), MSG_WAITALL), 15);
  EXPECT_EQ(text, "HTTP/1.1 200 OK");
}

// Each has begun a request, and sends no more of it.
TEST_F(ListenerTest, ClientsThatSendSlowlyKeepNoneWaiting) {
  start(256);
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(connected());
    const std::string part =
        i % 2 == 0 ? "GET / HTTP/1.1\r\nHo" : "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na";
    ASSERT_GT(send(slow.back().get(), part.data(), part.size(), MSG_NOSIGNAL), 0);
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(answers_in(ask(kPlainGet)), 1U);
  for (const UniqueFd& fd : slow) {
    char byte = 0;
    EXPECT_EQ(recv(fd.get(), &byte, 1, MSG_DONTWAIT), -1) << "nor are they hung up on";
  }
  // Nor does the server's shutdown wait: the limit for a slow client is ten seconds.
  const auto began = std::chrono::steady_clock::now();
  listener_->stop();
  runs_.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

TEST_F(ListenerTest, TheSlowestGivesWayWhenAllAreTaken) {
  start(4);
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 4; ++i) slow.push_back(connected());
  std::this_thread::sleep_for(1200ms);
  EXPECT_TRUE(ask(kPlainGet).starts_with("HTTP/1.1 200"));
  int ended = 0;
  for (const UniqueFd& fd : slow) {
    char byte = 0;
    ended += recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 0 ? 1 : 0;
  }
  EXPECT_EQ(ended, 1);
}

// They send requests, and read none of the answers.
TEST_F(ListenerTest, ClientsThatTakeNothingKeepNoneWaiting) {
  body_.assign(1 << 20, 'x');
  start(256);
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(connected());
    (void)send(slow.back().get(), kPlainGet, std::string(kPlainGet).size(), MSG_NOSIGNAL);
  }
  const std::string answer = ask(kPlainGet);
  EXPECT_TRUE(answer.ends_with(body_));
}

}  // namespace
}  // namespace blkrewind::serve
