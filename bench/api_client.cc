#include "api_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <random>
#include <string_view>
#include <utility>

namespace bench {
namespace {

constexpr int kTimeoutSeconds = 30;

// RFC 3986: characters that are not unreserved are escaped.
void append_escaped(std::string& into, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      into += c;
    } else {
      into += '%';
      into += kHex[byte >> 4U];
      into += kHex[byte & 15U];
    }
  }
}

std::string escaped(std::string_view text) {
  std::string result;
  append_escaped(result, text);
  return result;
}

// A std::map of strings is sorted by bytes, as the signature wants it.
std::string canonical(const Parameters& parameters) {
  std::string query;
  for (const auto& [key, value] : parameters) {
    if (!query.empty()) query += '&';
    append_escaped(query, key);
    query += '=';
    append_escaped(query, value);
  }
  return query;
}

std::string signature_of(const std::string& query, const std::string& secret) {
  const std::string text = "GET&%2F&" + escaped(query);
  const std::string key = secret + "&";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &length);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> base64{};
  const int written = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(length));
  return {reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(written)};
}

std::string timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text.data(), length};
}

bool is_upper_uuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !digit) return false;
  }
  return true;
}

// The value of a header, in a head whose lines end with \r\n; empty when there is none.
std::string header_of(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    const std::size_t begin = at + 2;
    at = head.find("\r\n", begin);
    const std::string_view line = head.substr(begin, at - begin);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    bool same = true;
    for (std::size_t i = 0; i < name.size(); ++i) {
      same = same && std::tolower(static_cast<unsigned char>(line[i])) == name[i];
    }
    if (!same) continue;
    const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
    return value == std::string_view::npos ? std::string() : std::string(line.substr(value));
  }
  return {};
}

}  // namespace

std::string Reply::text_of(const std::string& key) const {
  const std::string before = "\"" + key + "\":\"";
  const std::size_t at = body.find(before);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + before.size();
  const std::size_t end = body.find('"', begin);
  return end == std::string::npos ? std::string() : body.substr(begin, end - begin);
}

ApiClient::ApiClient(std::uint16_t port, AccessKey key) : port_(port), key_(std::move(key)) {
  std::random_device random;
  nonce_prefix_ = std::to_string(random()) + std::to_string(random()) + "-";
}

ApiClient::~ApiClient() { disconnect(); }

void ApiClient::disconnect() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  buffer_.clear();
}

bool ApiClient::connect() {
  if (socket_ >= 0) return true;
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return false;
  const timeval timeout{.tv_sec = kTimeoutSeconds, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return true;
  }
  disconnect();
  return false;
}

bool ApiClient::send(const std::string& request) {
  std::string_view left = request;
  while (!left.empty()) {
    const ssize_t sent = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool ApiClient::receive(Reply& reply) {
  std::size_t body_at = std::string::npos;
  std::size_t length = 0;
  bool closes = false;
  while (body_at == std::string::npos || buffer_.size() < body_at + length) {
    std::array<char, 64 * 1024> chunk{};
    const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
    if (body_at != std::string::npos) continue;
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    body_at = end + 4;
    const std::string_view head(buffer_.data(), end + 2);
    if (head.size() < 12 || !head.starts_with("HTTP/1.1 ")) return false;
    std::from_chars(head.data() + 9, head.data() + 12, reply.status);
    const std::string digits = header_of(head, "content-length");
    if (std::from_chars(digits.data(), digits.data() + digits.size(), length).ec != std::errc()) {
      return false;
    }
    closes = header_of(head, "connection") == "close";
  }
  if (buffer_.size() != body_at + length) return false;  // more data than expected
  reply.body = buffer_.substr(body_at);
  buffer_.clear();
  if (closes) disconnect();
  return true;
}

Reply ApiClient::call(const std::string& action, Parameters parameters) {
  parameters["Action"] = action;
  parameters["Format"] = "JSON";
  parameters["Version"] = "2014-05-26";
  parameters["AccessKeyId"] = key_.id;
  parameters["SignatureMethod"] = "HMAC-SHA1";
  parameters["SignatureVersion"] = "1.0";
  parameters["SignatureNonce"] = nonce_prefix_ + std::to_string(++nonce_);
  parameters["Timestamp"] = timestamp();
  const std::string query = canonical(parameters);
  const std::string request = "GET /?" + query +
                              "&Signature=" + escaped(signature_of(query, key_.secret)) +
                              " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n\r\n";
  Reply reply;
  if (!connect() || !send(request) || !receive(reply)) {
    disconnect();
    return reply;
  }
  reply.lost = false;
  reply.request_id = reply.text_of("RequestId");
  if (!is_upper_uuid(reply.request_id)) reply.request_id.clear();
  return reply;
}

}  // namespace bench
