// All connections at once: one thread waits for whatever any client sends or takes, and a few
// threads answer requests that are there as a whole.
//
//   hands (TLS) -> reading -> answering (on a thread) -> writing -> reading ... -> ending
//
// A client that sends or takes slowly costs memory, never a thread. When all connections are taken,
// the one that has kept us waiting longest gives way, once that is a second; else the newcomer gets
// 503.
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
  // Reads the one request that is open in the connection, and writes the answer to it; on several
  // threads. `last`: the answer says that the connection ends. False: it does.
  std::function<bool(Connection& connection, const std::string& peer, bool last)> answer;
  // A whole answer in HTTP, to what is no request; on the waiting thread.
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
  // Requests that are there as a whole are answered; what has not come by now is not waited for.
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
    bool last = false;  // the connection ends with this answer
  };

  // The waiting thread.
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

  std::vector<std::unique_ptr<Client>> clients_;  // of the waiting thread
  bool last_look_ = false;                        // stopping, and each client was looked at

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
