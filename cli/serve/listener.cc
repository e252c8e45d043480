#include "cli/serve/listener.h"

#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cli/serve/server_log.h"

namespace blkrewind::serve {
namespace {

constexpr int kRequestsPerConnection = 1000;
constexpr int kBacklog = 128;  // the HTTP library's 5 makes the sixth of a burst wait a second
constexpr std::chrono::milliseconds kStopLook{1};
constexpr std::chrono::milliseconds kRebindPause{100};

// What the HTTP library does not hand from a connection to its requests. A thread has one at a
// time.
struct AtWork {
  bool send_away = false;  // the connection is handled only to be refused
  bool hang_up = false;    // what came is no request: who knows where the next one begins
  std::string peer;        // "ADDRESS:PORT"
};
thread_local AtWork t_at_work;

// As many threads as connections, made when they are needed first.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(std::size_t max) : max_(max) {}

  void enqueue(std::function<void()> work) override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      if (busy_ < max_ && has_thread_for(busy_ + 1)) {
        ++busy_;
        work_.push_back(std::move(work));
        wake_.notify_one();
        return;
      }
    }
    t_at_work.send_away = true;
    work();
    t_at_work.send_away = false;
  }

  void shutdown() override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      done_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  // Makes one when there are too few; the machine may have none to give.
  bool has_thread_for(std::size_t connections) {
    if (threads_.size() >= connections) return true;
    try {
      threads_.emplace_back([this] { serve(); });
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return done_ || !work_.empty(); });
      if (work_.empty()) return;
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
      --busy_;
    }
  }

  const std::size_t max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_;
  std::vector<std::thread> threads_;
  std::size_t busy_ = 0;  // connections that wait for a thread or have one
  bool done_ = false;
};

RawRequest raw(const httplib::Request& request) {
  RawRequest out;
  out.method = request.method;
  out.target = request.target;
  out.body = request.body;
  for (const auto& [name, value] : request.headers) {
    // What the library adds for its own use.
    if (name == "REMOTE_ADDR" || name == "REMOTE_PORT" || name == "LOCAL_ADDR" ||
        name == "LOCAL_PORT") {
      continue;
    }
    out.headers.emplace_back(name, value);
  }
  return out;
}

void put(const Answer& answer, httplib::Response& response) {
  response.status = answer.status;
  response.set_content(answer.body, answer.content_type);
}

// Where the body ends must be clear to all on the way: the HTTP library does not read one of a GET,
// and takes it for the next request (RFC 9112, 6.1 and 11.2).
bool has_unclear_body(const httplib::Request& request) {
  const std::size_t lengths = request.get_header_value_count("Content-Length");
  const bool coded = request.has_header("Transfer-Encoding");
  if (lengths + (coded ? 1 : 0) > 1) return true;
  if (request.method == "POST") return false;
  return coded || (lengths == 1 && request.get_header_value("Content-Length") != "0");
}

// Coded bodies could unpack to anything, parts and ranges are nothing that this API has.
bool is_refused(const httplib::Request& request) {
  return request.has_header("Content-Encoding") || request.has_header("Range") ||
         request.is_multipart_form_data() || has_unclear_body(request);
}

std::string as_http(const Answer& answer) {
  return "HTTP/1.1 " + std::to_string(answer.status) +
         " Refused\r\nConnection: close\r\nContent-Type: " + answer.content_type +
         "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
}

}  // namespace

Listener::Listener(ListenerOptions options, Handler handler, Refuser refuser)
    : options_(std::move(options)), handler_(std::move(handler)), refuser_(std::move(refuser)) {
  set_up();
}

void Listener::set_up() {
  new_task_queue = [max = options_.connections_max] { return new ConnectionThreads(max); };
  set_payload_max_length(kBodyBytesMax);
  set_tcp_nodelay(true);
  // The library's own would let a second server have the same port, and each get some requests.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    (void)::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  // Only what answers say of it: the connection itself counts.
  set_keep_alive_max_count(kRequestsPerConnection);
  const auto handle = [this](const httplib::Request& request, httplib::Response& response) {
    put(handler_(raw(request), t_at_work.peer), response);
  };
  const auto refuse = [this](int status, httplib::Response& response) {
    put(refuser_(status, t_at_work.peer), response);
    t_at_work.hang_up = true;
  };
  set_pre_routing_handler([=](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "GET" && request.method != "POST") {
      handle(request, response);
      t_at_work.hang_up = true;  // its body, if it has one, is not read
      return HandlerResponse::Handled;
    }
    if (!is_refused(request)) return HandlerResponse::Unhandled;
    refuse(400, response);
    return HandlerResponse::Handled;
  });
  Get(".*", handle);
  Post(".*", handle);
  // Also called for our own errors, which have a body.
  set_error_handler([=](const httplib::Request&, httplib::Response& response) {
    if (response.body.empty()) refuse(response.status, response);
  });
}

Result<int> Listener::bind() {
  const std::string where = options_.host + ":" + std::to_string(options_.port);
  const int port = options_.port == 0                           ? bind_to_any_port(options_.host)
                   : bind_to_port(options_.host, options_.port) ? options_.port
                                                                : -1;
  if (port > 0) {
    options_.port = port;
    (void)::listen(svr_sock_, kBacklog);
    return port;
  }
  Error error = system_error(errno, "cannot listen on " + where);
  error.hint = "see who has that port (ss -ltnp), or name another address: --listen ADDRESS:PORT";
  return fail(std::move(error));
}

void Listener::run() {
  while (!stopping_) {
    listen_after_bind();
    // The library gives up, and closes the port, at errors of accept(2) that pass by themselves.
    if (!stopping_) log_line(LogLevel::kError, "no connection could be accepted; trying again");
    for (bool again = false; !stopping_ && !again;) {
      std::this_thread::sleep_for(kRebindPause);
      again = bind().has_value();
    }
  }
  ended_ = true;
}

void Listener::stop() {
  stopping_ = true;
  // What does not run yet cannot be stopped, and would run for ever.
  while (!ended_ && !is_running()) std::this_thread::sleep_for(kStopLook);
  if (!ended_) httplib::Server::stop();
}

bool Listener::process_and_close_socket(socket_t sock) {
  Connection connection(sock, options_.tls.get(), options_.limits);
  std::string ip;
  int port = 0;
  connection.get_remote_ip_and_port(ip, port);
  t_at_work.peer = ip + ":" + std::to_string(port);
  if (t_at_work.send_away) {
    // On the thread that accepts: no handshake, and hardly any waiting.
    connection.end_soon();
    const Answer answer = refuser_(503, t_at_work.peer);
    if (!options_.tls) connection.send_and_forget(as_http(answer));
    return false;
  }
  if (!connection.handshake()) return false;
  for (int i = 0; i < kRequestsPerConnection && connection.wait_for_request(stopping_); ++i) {
    bool closed = false;
    t_at_work.hang_up = false;
    const bool last = stopping_ || i + 1 == kRequestsPerConnection;
    const bool answered = process_request(connection, last, closed, nullptr);
    if (!answered && connection.is_over_limit()) {
      connection.send_and_forget(as_http(refuser_(431, t_at_work.peer)));
    }
    if (!answered || closed || t_at_work.hang_up) return answered;
  }
  return true;
}

}  // namespace blkrewind::serve
