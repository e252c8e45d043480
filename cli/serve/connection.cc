#include "cli/serve/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
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
constexpr std::chrono::milliseconds kStopPoll{100};
constexpr std::chrono::milliseconds kShortLinger{5};
constexpr int kDrainsMax = 16;  // reads of what a client still sends when it is hung up on

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

Connection::Connection(int fd, SSL_CTX* tls, const ConnectionLimits& limits)
    : fd_(fd), limits_(limits), linger_(kStopPoll), tls_(tls != nullptr), buffer_(kBufferBytes) {
  const int flags = fcntl(fd_, F_GETFL);
  fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
  if (tls_) {
    ssl_.reset(SSL_new(tls));
    if (ssl_) SSL_set_fd(ssl_.get(), fd_);
  }
}

// An answer is lost when the socket is closed with something unread, so that is read first.
Connection::~Connection() {
  if (ssl_) SSL_shutdown(ssl_.get());
  ::shutdown(fd_, SHUT_WR);
  const auto deadline = Clock::now() + linger_;
  for (int i = 0; i < kDrainsMax && wait(POLLIN, deadline); ++i) {
    if (::recv(fd_, buffer_.data(), buffer_.size(), 0) <= 0) break;
  }
  ::close(fd_);
}

bool Connection::wait(short events, Clock::time_point deadline) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd polled = {fd_, events, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::max<long>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

bool Connection::wait_for_tls(int result, Clock::time_point deadline) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT, deadline);
    default:
      return false;
  }
}

bool Connection::handshake() {
  if (!tls_) return true;
  if (!ssl_) return false;  // out of memory; never plain where TLS was asked for
  const auto deadline = Clock::now() + limits_.answer;
  while (true) {
    ERR_clear_error();
    const int result = SSL_accept(ssl_.get());
    if (result == 1) return true;
    if (!wait_for_tls(result, deadline)) return false;
  }
}

bool Connection::wait_for_request(const std::atomic<bool>& stop) {
  const auto deadline = Clock::now() + limits_.idle;
  while (begin_ == end_ && !(ssl_ && SSL_pending(ssl_.get()) > 0)) {
    const auto now = Clock::now();
    if (stop.load() || now >= deadline) return false;
    if (wait(POLLIN, std::min(deadline, now + kStopPoll))) break;
  }
  read_bytes_ = 0;
  over_limit_ = false;
  read_deadline_ = Clock::now() + limits_.request;
  return true;
}

void Connection::end_soon() { linger_ = kShortLinger; }

void Connection::send_and_forget(std::string_view text) {
  if (ssl_) {
    ERR_clear_error();
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
  } else {
    (void)::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

ssize_t Connection::receive(char* into, std::size_t size) {
  while (true) {
    if (ssl_) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), into, static_cast<int>(size));
      if (got > 0) return got;
      if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN) return 0;
      if (!wait_for_tls(got, read_deadline_)) return -1;
      continue;
    }
    const ssize_t got = ::recv(fd_, into, size, 0);
    if (got >= 0) return got;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !wait(POLLIN, read_deadline_)) return -1;
  }
}

bool Connection::is_readable() const {
  return begin_ != end_ || (ssl_ && SSL_pending(ssl_.get()) > 0) || wait(POLLIN, read_deadline_);
}

bool Connection::is_writable() const { return wait(POLLOUT, Clock::now() + limits_.answer); }

ssize_t Connection::read(char* into, std::size_t size) {
  if (over_limit_ || Clock::now() >= read_deadline_) return -1;
  if (begin_ == end_) {
    const ssize_t got = receive(buffer_.data(), buffer_.size());
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
  }
  const std::size_t taken = std::min(size, end_ - begin_);
  read_bytes_ += taken;
  if (read_bytes_ > limits_.request_bytes) {
    over_limit_ = true;
    return -1;
  }
  std::memcpy(into, buffer_.data() + begin_, taken);
  begin_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t Connection::write(const char* from, std::size_t size) {
  const auto deadline = Clock::now() + limits_.answer;
  while (true) {
    if (ssl_) {
      ERR_clear_error();
      const int sent = SSL_write(ssl_.get(), from, static_cast<int>(size));
      if (sent > 0) return sent;
      if (!wait_for_tls(sent, deadline)) return -1;
      continue;
    }
    const ssize_t sent = ::send(fd_, from, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !wait(POLLOUT, deadline)) return -1;
  }
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  name_end(fd_, ::getpeername, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  name_end(fd_, ::getsockname, ip, port);
}

}  // namespace blkrewind::serve
