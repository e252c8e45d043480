// A signing client of the API, small and strict: one connection, one request at a time, V1 in GET
// requests, answers in JSON. For scripts/bench-serve; OpenSSL and Linux only.
//
// Nothing is sent twice: an answer that does not arrive, or is incomplete, counts as lost. One
// thread per client.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bench {

using Parameters = std::map<std::string, std::string>;

struct AccessKey {
  std::string id;
  std::string secret;
};

struct Reply {
  bool lost = true;
  int status = 0;
  std::string body;
  std::string request_id;  // empty when the body has none, or none that is a UUID in upper case

  // The text between `"key":"` and the next quote, at its first place; empty when there is none.
  [[nodiscard]] std::string text_of(const std::string& key) const;
};

class ApiClient {
 public:
  // On 127.0.0.1 only.
  ApiClient(std::uint16_t port, AccessKey key);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  [[nodiscard]] Reply call(const std::string& action, Parameters parameters);

 private:
  [[nodiscard]] bool connect();
  [[nodiscard]] bool send(const std::string& request);
  [[nodiscard]] bool receive(Reply& reply);
  void disconnect();

  std::uint16_t port_;
  AccessKey key_;
  std::string nonce_prefix_;
  std::uint64_t nonce_ = 0;
  int socket_ = -1;
  std::string buffer_;
};

}  // namespace bench
