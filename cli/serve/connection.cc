#include "cli/serve/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace blkrewind::serve {
namespace {

constexpr std::size_t kBufferBytes = 4096;
constexpr int kDrainsMax = 16;  // reads per call of data that a client still sends

using AddressOf = int (*)(int, sockaddr*, socklen_t*);

void name_end(int fd, AddressOf address_of, std::string& ip, int& port) {
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  ip.clear();
  port = -1;
  if (address_of(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return;
  std::array<char, NI_MAXHOST> host = {};
  std::array<char, NI_MAXSERV> service = {};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host.data(), host.size(),
                  service.data(), service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return;
  }
  ip = host.data();
  port = static_cast<int>(std::strtol(service.data(), nullptr, 10));
}

}  // namespace

Connection::Connection(int fd, SSL_CTX* tls) : fd_(fd), tls_(tls != nullptr) {
  const int flags = fcntl(fd_, F_GETFL);
  fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
  if (tls_) {
    ssl_.reset(SSL_new(tls));
    if (ssl_) SSL_set_fd(ssl_.get(), fd_);
  }
}

Connection::~Connection() { ::close(fd_); }

Connection::Outcome Connection::outcome_of_tls(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Outcome::kWaitToRead;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::kWaitToWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kEnded;
    default:
      return Outcome::kBroken;
  }
}

Connection::Outcome Connection::shake_hands() {
  if (!tls_) return Outcome::kDone;
  if (!ssl_) return Outcome::kBroken;  // out of memory; never plain if TLS was requested
  ERR_clear_error();
  const int result = SSL_accept(ssl_.get());
  return result == 1 ? Outcome::kDone : outcome_of_tls(result);
}

Connection::Outcome Connection::receive(std::size_t bytes_max) {
  std::array<char, kBufferBytes> buffer;
  while (received_.size() < bytes_max) {
    const std::size_t wanted = std::min(buffer.size(), bytes_max - received_.size());
    if (ssl_) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(wanted));
      if (got <= 0) return outcome_of_tls(got);
      received_.append(buffer.data(), static_cast<std::size_t>(got));
      continue;
    }
    const ssize_t got = ::recv(fd_, buffer.data(), wanted, 0);
    if (got == 0) return Outcome::kEnded;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? Outcome::kWaitToRead : Outcome::kBroken;
    received_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return Outcome::kDone;
}

Connection::Outcome Connection::send_all() {
  while (has_to_send()) {
    const char* const from = to_send_.data() + sent_;
    const std::size_t size = to_send_.size() - sent_;
    if (ssl_) {
      ERR_clear_error();
      const int done = SSL_write(ssl_.get(), from, static_cast<int>(size));
      if (done <= 0) return outcome_of_tls(done);
      sent_ += static_cast<std::size_t>(done);
      continue;
    }
    const ssize_t done = ::send(fd_, from, size, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno == EAGAIN ? Outcome::kWaitToWrite : Outcome::kBroken;
    sent_ += static_cast<std::size_t>(done);
  }
  to_send_.clear();
  sent_ = 0;
  return Outcome::kDone;
}

void Connection::end_sending() {
  if (ssl_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(fd_, SHUT_WR);
}

bool Connection::drain() {
  std::array<char, kBufferBytes> buffer;
  for (int i = 0; i < kDrainsMax; ++i) {
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
  }
  return true;
}

void Connection::open_request(std::size_t bytes) {
  request_bytes_ = bytes;
  read_ = 0;
}

void Connection::drop_request() {
  received_.erase(0, request_bytes_);
  if (received_.empty()) received_.shrink_to_fit();
  request_bytes_ = 0;
  read_ = 0;
}

ssize_t Connection::read(char* into, std::size_t size) {
  const std::size_t taken = std::min(size, request_bytes_ - read_);
  std::memcpy(into, received_.data() + read_, taken);
  read_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t Connection::write(const char* from, std::size_t size) {
  to_send_.append(from, size);
  return static_cast<ssize_t>(size);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  name_end(fd_, ::getpeername, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  name_end(fd_, ::getsockname, ip, port);
}

}  // namespace blkrewind::serve
