// One client's connection: plain or TLS, with a deadline and a byte limit for each request.
//
// The HTTP library reads and writes through this. Its own streams wait anew for every byte, so a
// slow client could hold a thread for ever; here a request as a whole has to arrive in time. Used
// by one thread.
#pragma once

#include <httplib.h>
#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace blkrewind::serve {

struct ConnectionLimits {
  std::chrono::milliseconds request{10'000};  // from the first byte of a request to its last
  std::chrono::milliseconds answer{10'000};   // to take an answer, and for the TLS handshake
  std::chrono::milliseconds idle{5'000};      // between two requests
  std::size_t request_bytes = 64 * 1024;      // request line, headers and body
};

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslHandle = std::unique_ptr<SSL, SslFree>;

class Connection final : public httplib::Stream {
 public:
  // Owns `fd`. `tls`: null for a plain connection.
  Connection(int fd, SSL_CTX* tls, const ConnectionLimits& limits);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The TLS handshake; true at once where there is none to be made.
  [[nodiscard]] bool handshake();
  // Waits for the first byte of the next request. False: the client is gone, is silent for too
  // long, or `stop` was set. Then the limits of a request begin to count.
  [[nodiscard]] bool wait_for_request(const std::atomic<bool>& stop);
  // The request was longer than is read.
  [[nodiscard]] bool is_over_limit() const { return over_limit_; }
  // Its end is waited for by somebody who has others to see to: the destructor takes little time.
  void end_soon();
  // Sends as much as is taken at once, without the HTTP library.
  void send_and_forget(std::string_view text);

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* into, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool wait(short events, Clock::time_point deadline) const;
  // What OpenSSL waits for after `result`; false when it failed.
  [[nodiscard]] bool wait_for_tls(int result, Clock::time_point deadline);
  [[nodiscard]] ssize_t receive(char* into, std::size_t size);

  const int fd_;
  const ConnectionLimits limits_;
  std::chrono::milliseconds linger_;
  const bool tls_;
  SslHandle ssl_;
  std::vector<char> buffer_;  // received, not read yet: [begin_, end_)
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t read_bytes_ = 0;  // of this request
  Clock::time_point read_deadline_;
  bool over_limit_ = false;
};

}  // namespace blkrewind::serve
