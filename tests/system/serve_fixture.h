// A running `blkrewind serve` on a free port, and raw bytes over a socket to it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/request_signer.h"
#include "system/cli_fixture.h"

namespace blkrewind::test {

struct HttpAnswer {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;
};

// A TCP connection to the loopback.
class Wire {
 public:
  explicit Wire(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect to port " + std::to_string(port));
    }
  }

  // False if the server has closed the connection.
  bool send(const std::string& bytes) const {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  void end_sending() const { shutdown(fd_.get(), SHUT_WR); }

  // Whether the server has closed the connection, or does so soon. Further data is discarded.
  [[nodiscard]] bool has_ended(std::chrono::milliseconds patience) const {
    char byte = 0;
    pollfd polled = {fd_.get(), POLLIN, 0};
    while (poll(&polled, 1, static_cast<int>(patience.count())) > 0) {
      if (recv(fd_.get(), &byte, 1, 0) <= 0) return true;
    }
    return false;
  }

  // Everything until the server closes the connection, or until the timeout.
  [[nodiscard]] std::string receive(std::chrono::milliseconds patience) const {
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd polled = {fd_.get(), POLLIN, 0};
      if (left.count() <= 0 || poll(&polled, 1, static_cast<int>(left.count())) <= 0) return text;
      char bytes[4096];
      const ssize_t n = recv(fd_.get(), bytes, sizeof bytes, 0);
      if (n <= 0) return text;
      text.append(bytes, static_cast<std::size_t>(n));
    }
  }

 private:
  UniqueFd fd_;
};

inline HttpAnswer parsed(const std::string& text) {
  HttpAnswer answer;
  if (text.starts_with("HTTP/1.1 ")) answer.status = std::atoi(text.c_str() + 9);
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  answer.head = text.substr(0, end);
  answer.body = text.substr(end + 4);
  return answer;
}

class ServeTest : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    const json taken = ask({"snapshot", image_, "--name", "before"});
    disk_ = taken["disk_id"];
    snapshot_ = taken["snapshot_id"];
    std::ofstream(keys_) << "# who may call\ntestid testsecret\n";
    chmod(keys_.c_str(), 0600);
  }
  void TearDown() override { stop(); }

  // Starts it, and waits until it listens.
  void start(std::vector<std::string> more = {}, const std::string& listen = "127.0.0.1:0") {
    std::vector<std::string> words = {"--store", program_.store(),    "serve", "--listen",
                                      listen,    "--access-key-file", keys_};
    words.insert(words.end(), more.begin(), more.end());
    out_ = program_.file("serve.out");
    log_ = program_.file("serve.log");
    const UniqueFd out(open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const UniqueFd log(open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    server_ = std::make_unique<CliProcess>(environment_, words, out.get(), log.get());
    for (int i = 0; i < 3000; ++i) {
      const std::string text = read_file(out_);
      const std::size_t at = text.rfind(':');
      if (text.find("listening on") != std::string::npos && text.ends_with("\n")) {
        port_ = std::atoi(text.c_str() + at + 1);
        return;
      }
      int status = 0;
      if (server_->ended(status)) {
        server_.reset();
        throw std::runtime_error("serve ended with " + std::to_string(status) + ": " +
                                 read_file(log_));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("serve does not listen: " + read_file(log_));
  }

  // By SIGTERM; its exit status.
  int stop() {
    if (!server_) return 0;
    server_->kill(SIGTERM);
    const int status = server_->wait();
    server_.reset();
    return status;
  }

  [[nodiscard]] HttpAnswer send(const std::string& bytes) const {
    const Wire wire(port_);
    wire.send(bytes);
    wire.end_sending();
    return parsed(wire.receive(std::chrono::seconds(30)));
  }

  [[nodiscard]] HttpAnswer get(const std::string& target) const {
    return send("GET " + target + " HTTP/1.1\r\nHost: " + host() + "\r\nConnection: close\r\n\r\n");
  }

  // A signed request of the API, V1 by GET, answered in JSON.
  json call(const std::string& action, const Pairs& parameters, int status = 200) {
    Pairs all = parameters;
    all.insert(all.end(), {{"Action", action},
                           {"AccessKeyId", "testid"},
                           {"Format", "JSON"},
                           {"SignatureMethod", "HMAC-SHA1"},
                           {"SignatureNonce", std::to_string(++nonces_) + "-" + disk_},
                           {"SignatureVersion", "1.0"},
                           {"Timestamp", utc_text(now_())},
                           {"Version", "2014-05-26"}});
    const std::string signature = v1_signature("GET", all, "testsecret");
    const HttpAnswer answer = get("/?" + joined(all) + "&Signature=" + escaped(signature));
    EXPECT_EQ(answer.status, status) << action << ": " << answer.body;
    const json body = json::parse(answer.body, nullptr, false);
    EXPECT_FALSE(body.is_discarded()) << action << ": " << answer.body;
    return body.is_discarded() ? json::object() : body;
  }

  json disk_now() {
    const json answer = call("DescribeDisks", {{"RegionId", "cn-local"}});
    return answer["Disks"]["Disk"][0];
  }

  // Waits until no reset of the disk is in progress.
  json wait_for_reset() {
    for (int i = 0; i < 3000; ++i) {
      json disk = disk_now();
      if (disk["Status"] != "ReIniting") return disk;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "the reset does not end";
    return {};
  }

  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

  std::string keys_ = program_.file("keys");
  std::vector<std::string> environment_;  // of the server: "NAME=VALUE"
  std::function<std::int64_t()> now_ = [] { return static_cast<std::int64_t>(std::time(nullptr)); };
  std::string out_;
  std::string log_;
  std::string disk_;
  std::string snapshot_;
  std::unique_ptr<CliProcess> server_;
  int port_ = 0;
  int nonces_ = 0;
};

}  // namespace blkrewind::test
