// The listener alone: how it begins and ends, and what goes wrong between it and the kernel.
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
  static std::unique_ptr<Listener> make(int port = 0) {
    ListenerOptions options;
    options.port = port;
    options.connections_max = 4;
    return std::make_unique<Listener>(
        std::move(options),
        [](const RawRequest&, const std::string&) {
          return Answer{200, "text/x", "ok"};
        },
        [](int status, const std::string&) {
          return Answer{status, "text/x", "refused"};
        });
  }

  void start() {
    listener_ = make();
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

  // Everything that comes back; empty: nobody answers.
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

// accept(2) fails for once, as it does without memory; here since the socket was shut down.
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

// What the library leaves unread would be the next request, on a connection that a proxy may share.
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
  // The gateway refuses these by their method; the connection ends with that.
  for (const std::string method : {"HEAD", "PUT", "DELETE"}) {
    EXPECT_EQ(answers_in(ask(method + " / HTTP/1.1\r\n" + length + "\r\n" + inner)), 1U) << method;
  }
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace blkrewind::serve
