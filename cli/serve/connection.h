// One client's connection, plain or TLS; no call blocks.
//
// The HTTP library reads and writes through this. Its own streams block for every byte, so a slow
// client could occupy a thread forever; here a request is passed to the library when it is
// completely in memory, and the answer is kept until the client takes it. Traffic waits for all
// connections at once.
//
// Used by one thread at a time.
#pragma once

#include <httplib.h>
#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

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
  enum class Outcome : std::uint8_t {
    kDone,
    kWaitToRead,   // continue when there is data to read
    kWaitToWrite,  // continue when there is space to write
    kEnded,        // the client will send no more data
    kBroken,
  };

  // Owns `fd`. `tls`: null for a plain connection.
  Connection(int fd, SSL_CTX* tls);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] Outcome shake_hands();
  // Reads the data that has arrived, until `bytes_max` are buffered. kDone: there may be more.
  [[nodiscard]] Outcome receive(std::size_t bytes_max);
  // Sends the buffered data.
  [[nodiscard]] Outcome send_all();
  // Signals the end of the data to the client, as far as that is possible without blocking.
  void end_sending();
  // Discards received data. False: the client has closed the connection too.
  [[nodiscard]] bool drain();

  // Received bytes that do not belong to a dropped request.
  [[nodiscard]] std::string_view received() const { return received_; }
  // The first `bytes` of the data are the request that read() returns.
  void open_request(std::size_t bytes);
  void drop_request();
  void put(std::string_view text) { to_send_ += text; }
  [[nodiscard]] bool has_to_send() const { return sent_ < to_send_.size(); }

  bool is_readable() const override { return read_ < request_bytes_; }
  bool is_writable() const override { return true; }
  ssize_t read(char* into, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  // What OpenSSL waits for after `result`.
  [[nodiscard]] Outcome outcome_of_tls(int result);

  const int fd_;
  const bool tls_;
  SslHandle ssl_;
  std::string received_;
  std::size_t request_bytes_ = 0;
  std::size_t read_ = 0;
  std::string to_send_;
  std::size_t sent_ = 0;
};

}  // namespace blkrewind::serve
