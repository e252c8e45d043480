// All connections: one thread polls them for data to read and space to write, and a few threads
// answer complete requests.
//
//   handshake (TLS) -> reading -> answering (on a thread) -> writing -> reading ... -> ending
//
// A client that sends or receives slowly costs memory, never a thread. If the maximum number of
// connections is reached, the one that the server has waited for longest is closed, if for at least
// a second; otherwise the new one gets 503.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/serve/connection.h"
#include "cli/serve/framing.h"

namespace blkrewind::serve {

inline constexpr int kRequestsPerConnection = 1000;

struct TrafficHandlers {
  // Reads the request that is available in the connection, and writes the answer to it; called on
  // several threads. `last`: the answer announces the end of the connection. False: the connection
  // is to be closed.
  std::function<bool(Connection& connection, const std::string& peer, bool last)> answer;
  // A complete HTTP answer to data that is not a request; called on the polling thread.
  std::function<std::string(int status, const std::string& peer)> refuse;
};

class Traffic {
 public:
  // `tls` (null: plain) and what the handlers use outlive this.
  Traffic(const ConnectionLimits& limits, std::size_t connections_max, SSL_CTX* tls,
          TrafficHandlers handlers);
  // As stop().
  ~Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // A connection that was accepted. Any thread; takes `fd`.
  void add(int fd);
  // Complete requests are answered; incomplete ones are dropped.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase : std::uint8_t { kHands, kReading, kAnswering, kWriting, kEnding, kGone };

  struct Client {
    Client(int fd, SSL_CTX* tls) : connection(fd, tls) {}
    Connection connection;
    Framing framing;
    std::string peer;  // "ADDRESS:PORT"
    Phase phase = Phase::kHands;
    Clock::time_point since;  // of the phase
    Clock::time_point deadline;
    short events = 0;  // of poll(2)
    int requests = 0;
    bool last = false;  // the connection is closed after this answer
  };

  // The polling thread.
  void wait();
  void wait_once();
  void admit_new();
  void take_back_answered();
  void expire();
  void move_on(Client& client);
  void shake_hands(Client& client);
  void read(Client& client);
  void write(Client& client);
  void refuse(Client& client, int status);
  void enter(Client& client, Phase phase, std::chrono::milliseconds patience);
  void end(Client& client);
  [[nodiscard]] bool make_room();
  void dispatch(Client& client);

  // The answering threads.
  void answer();

  const ConnectionLimits limits_;
  const std::size_t connections_max_;
  SSL_CTX* const tls_;
  const TrafficHandlers handlers_;
  const int wake_;  // eventfd(2)

  std::vector<std::unique_ptr<Client>> clients_;  // of the polling thread
  bool last_look_ = false;                        // stopping, and each connection was checked

  std::mutex mutex_;
  std::condition_variable work_came_;
  std::vector<int> new_;
  std::deque<Client*> to_answer_;
  std::vector<Client*> answered_;
  std::vector<std::thread> answering_;
  std::size_t idle_ = 0;  // of the answering threads
  bool stopping_ = false;
  bool done_ = false;

  std::thread waiting_;
};

}  // namespace blkrewind::serve
