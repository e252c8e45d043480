#include "cli/serve/traffic.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace blkrewind::serve {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kAnsweringMax = 32;
constexpr milliseconds kGivesWayAfter{1000};
constexpr milliseconds kEndingPatience{200};
constexpr milliseconds kStoppingPatience{1000};
constexpr milliseconds kWaitMax{100};  // also used if no eventfd can be created
// In addition to the others: connections that were refused and have not received the answer yet.
constexpr std::size_t kEndingMax = 64;

void wake(int fd) {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
}

}  // namespace

Traffic::Traffic(const ConnectionLimits& limits, std::size_t connections_max, SSL_CTX* tls,
                 TrafficHandlers handlers)
    : limits_(limits),
      connections_max_(connections_max),
      tls_(tls),
      handlers_(std::move(handlers)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      waiting_([this] { wait(); }) {}

Traffic::~Traffic() {
  stop();
  if (wake_ >= 0) ::close(wake_);
}

void Traffic::add(int fd) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (!stopping_) {
      new_.push_back(fd);
      fd = -1;
    }
  }
  if (fd >= 0) ::close(fd);
  wake(wake_);
}

void Traffic::stop() {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    stopping_ = true;
  }
  wake(wake_);
  if (waiting_.joinable()) waiting_.join();
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    done_ = true;
  }
  work_came_.notify_all();
  for (std::thread& thread : answering_) thread.join();
  answering_.clear();
  for (const int fd : std::exchange(new_, {})) ::close(fd);
}

void Traffic::enter(Client& client, Phase phase, milliseconds patience) {
  client.phase = phase;
  client.since = Clock::now();
  client.deadline = client.since + patience;
}

// If a socket is closed with unread data, the answer is lost, so the data is read first.
void Traffic::end(Client& client) {
  client.connection.end_sending();
  client.events = POLLIN;
  enter(client, Phase::kEnding, kEndingPatience);
}

void Traffic::refuse(Client& client, int status) {
  client.connection.put(handlers_.refuse(status, client.peer));
  client.last = true;
  enter(client, Phase::kWriting, limits_.answer);
  write(client);
}

void Traffic::shake_hands(Client& client) {
  const auto outcome = client.connection.shake_hands();
  if (outcome == Connection::Outcome::kWaitToRead) {
    client.events = POLLIN;
  } else if (outcome == Connection::Outcome::kWaitToWrite) {
    client.events = POLLOUT;
  } else if (outcome == Connection::Outcome::kDone) {
    enter(client, Phase::kReading, limits_.idle);
    read(client);
  } else {
    client.phase = Phase::kGone;
  }
}

void Traffic::read(Client& client) {
  using Outcome = Connection::Outcome;
  const bool was_silent = client.connection.received().empty();
  const Outcome outcome = client.connection.receive(limits_.request_bytes);
  const std::string_view received = client.connection.received();
  if (was_silent && !received.empty()) client.deadline = Clock::now() + limits_.request;
  switch (client.framing.look(received)) {
    case Framing::State::kComplete:
      dispatch(client);
      return;
    case Framing::State::kRefused:
      refuse(client, client.framing.status());
      return;
    case Framing::State::kIncomplete:
      break;
  }
  if (outcome == Outcome::kDone) {
    refuse(client, 431);
  } else if (outcome == Outcome::kEnded && !received.empty()) {
    refuse(client, 400);
  } else if (outcome == Outcome::kEnded || outcome == Outcome::kBroken) {
    client.phase = Phase::kGone;
  } else {
    client.events = outcome == Outcome::kWaitToWrite ? POLLOUT : POLLIN;
  }
}

// Creates a thread if there are too few; the machine may not allow any more.
void Traffic::dispatch(Client& client) {
  client.connection.open_request(client.framing.length_bytes());
  ++client.requests;
  bool possible = true;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    client.last =
        stopping_ || client.requests == kRequestsPerConnection || client.framing.ends_connection();
    if (idle_ <= to_answer_.size() &&
        answering_.size() < std::min(kAnsweringMax, connections_max_)) {
      try {
        answering_.emplace_back([this] { answer(); });
      } catch (const std::system_error&) {
        possible = !answering_.empty();
      }
    }
    if (possible) {
      client.phase = Phase::kAnswering;
      to_answer_.push_back(&client);
      work_came_.notify_one();
    }
  }
  if (!possible) refuse(client, 503);
}

void Traffic::answer() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    ++idle_;
    work_came_.wait(lock, [this] { return done_ || !to_answer_.empty(); });
    --idle_;
    if (to_answer_.empty()) return;
    Client& client = *to_answer_.front();
    to_answer_.pop_front();
    lock.unlock();
    const bool goes_on = handlers_.answer(client.connection, client.peer, client.last);
    lock.lock();
    client.last = client.last || !goes_on;
    answered_.push_back(&client);
    wake(wake_);
  }
}

void Traffic::take_back_answered() {
  std::vector<Client*> answered;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    answered.swap(answered_);
  }
  for (Client* client : answered) {
    client->connection.drop_request();
    client->framing = {};
    enter(*client, Phase::kWriting, last_look_ ? kStoppingPatience : limits_.answer);
    write(*client);
  }
}

void Traffic::write(Client& client) {
  switch (client.connection.send_all()) {
    case Connection::Outcome::kDone:
      break;
    case Connection::Outcome::kWaitToRead:
      client.events = POLLIN;
      return;
    case Connection::Outcome::kWaitToWrite:
      client.events = POLLOUT;
      return;
    case Connection::Outcome::kEnded:
    case Connection::Outcome::kBroken:
      client.phase = Phase::kGone;
      return;
  }
  if (client.last || last_look_) {
    end(client);
    return;
  }
  // Not read() itself, because a thousand requests in one packet would recurse a thousand times.
  client.events = POLLIN;
  const bool more = !client.connection.received().empty();
  enter(client, Phase::kReading, more ? limits_.request : limits_.idle);
  if (more) client.events = static_cast<short>(POLLIN | POLLOUT);  // there is space: at once
}

void Traffic::move_on(Client& client) {
  switch (client.phase) {
    case Phase::kHands:
      return shake_hands(client);
    case Phase::kReading:
      return read(client);
    case Phase::kWriting:
      return write(client);
    case Phase::kEnding:
      if (!client.connection.drain()) client.phase = Phase::kGone;
      return;
    case Phase::kAnswering:
    case Phase::kGone:
      return;
  }
}

void Traffic::expire() {
  const auto now = Clock::now();
  for (const auto& client : clients_) {
    if (client->phase != Phase::kAnswering && now >= client->deadline) {
      client->phase = Phase::kGone;
    }
  }
  std::erase_if(clients_, [](const auto& client) { return client->phase == Phase::kGone; });
}

// Makes room for another connection by closing the one that the server has waited for longest.
bool Traffic::make_room() {
  const auto counts = [](const auto& client) { return client->phase != Phase::kEnding; };
  const auto taken = std::ranges::count_if(clients_, counts);
  if (static_cast<std::size_t>(taken) < connections_max_) return true;
  auto slowest = clients_.end();
  for (auto at = clients_.begin(); at != clients_.end(); ++at) {
    const Phase phase = (*at)->phase;
    const bool waits =
        phase == Phase::kHands || phase == Phase::kReading || phase == Phase::kWriting;
    if (waits && (slowest == clients_.end() || (*at)->since < (*slowest)->since)) slowest = at;
  }
  if (slowest == clients_.end() || Clock::now() - (*slowest)->since < kGivesWayAfter) return false;
  clients_.erase(slowest);
  return true;
}

void Traffic::admit_new() {
  std::vector<int> admitted;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    admitted.swap(new_);
  }
  for (const int fd : admitted) {
    auto client = std::make_unique<Client>(fd, tls_);
    std::string ip;
    int port = 0;
    client->connection.get_remote_ip_and_port(ip, port);
    client->peer = ip + ":" + std::to_string(port);
    const bool admit = make_room();
    if (!admit && clients_.size() >= connections_max_ + kEndingMax) continue;
    clients_.push_back(std::move(client));
    Client& kept = *clients_.back();
    if (admit) {
      enter(kept, Phase::kHands, limits_.answer);
      shake_hands(kept);
      continue;
    }
    // No TLS handshake for those: the connection is closed without an answer.
    if (tls_ == nullptr) kept.connection.put(handlers_.refuse(503, kept.peer));
    static_cast<void>(kept.connection.send_all());
    end(kept);
  }
}

void Traffic::wait_once() {
  std::vector<pollfd> polled = {{wake_, POLLIN, 0}};
  std::vector<Client*> waited;
  auto until = Clock::now() + kWaitMax;
  for (const auto& client : clients_) {
    if (client->phase == Phase::kAnswering) continue;
    polled.push_back({client->connection.socket(), client->events, 0});
    waited.push_back(client.get());
    until = std::min(until, client->deadline);
  }
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
  if (::poll(polled.data(), polled.size(), static_cast<int>(std::max<long>(left, 0))) <= 0) return;
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_, &count, sizeof count));
  for (std::size_t i = 0; i < waited.size(); ++i) {
    if (polled[i + 1].revents != 0) move_on(*waited[i]);
  }
}

void Traffic::wait() {
  while (true) {
    // Closed connections make room for new ones.
    take_back_answered();
    expire();
    admit_new();
    bool stopping = false;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      stopping = stopping_;
    }
    if (stopping && !last_look_) {
      last_look_ = true;
      // Requests that are complete by now are answered.
      for (const auto& client : clients_) {
        if (client->phase == Phase::kReading) read(*client);
      }
      const auto latest = Clock::now() + kStoppingPatience;
      for (const auto& client : clients_) client->deadline = std::min(client->deadline, latest);
    }
    if (stopping) {
      std::erase_if(clients_, [](const auto& client) {
        return client->phase == Phase::kHands || client->phase == Phase::kReading;
      });
      if (clients_.empty()) return;
    }
    wait_once();
  }
}

}  // namespace blkrewind::serve
