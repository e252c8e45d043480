#include "cli/serve/listener.h"

#include <sys/socket.h>

#include <chrono>
#include <thread>
#include <utility>

#include "cli/serve/server_log.h"

namespace blkrewind::serve {
namespace {

constexpr int kBacklog = 128;  // the HTTP library's 5 makes the sixth of a burst wait a second
constexpr std::chrono::milliseconds kStopLook{1};
constexpr std::chrono::milliseconds kRebindPause{100};

// Data that the HTTP library does not pass from a connection to its requests. A thread handles one
// connection at a time.
struct AtWork {
  bool hang_up = false;  // the answer is to a request that is not served
  std::string peer;      // "ADDRESS:PORT"
};
thread_local AtWork t_at_work;

// The library's accepting thread only passes the connection on.
class AtOnce final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> work) override { work(); }
  void shutdown() override {}
};

RawRequest raw(const httplib::Request& request) {
  RawRequest out;
  out.method = request.method;
  out.target = request.target;
  out.body = request.body;
  for (const auto& [name, value] : request.headers) {
    // Headers that the library adds for its own use.
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

// Encoded bodies could expand without limit; multipart and ranges are not part of this API.
bool is_refused(const httplib::Request& request) {
  return request.has_header("Content-Encoding") || request.has_header("Range") ||
         request.is_multipart_form_data();
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
  new_task_queue = [] { return new AtOnce; };
  set_payload_max_length(kBodyBytesMax);
  set_tcp_nodelay(true);
  // The library's default would let a second server share the port, and each get some requests.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    (void)::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  // Only for the headers of answers: Traffic controls the connection itself.
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
      t_at_work.hang_up = true;  // its body, if any, is not read
      return HandlerResponse::Handled;
    }
    if (!is_refused(request)) return HandlerResponse::Unhandled;
    refuse(400, response);
    return HandlerResponse::Handled;
  });
  Get(".*", handle);
  Post(".*", handle);
  // Also called for this server's own errors, which have a body.
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
  error.remedy = blkrewind::run_program("see which process has that port", "ss -ltnp")
                     .or_else("name another address: --listen ADDRESS:PORT");
  return fail(std::move(error));
}

void Listener::run() {
  traffic_ = std::make_unique<Traffic>(
      options_.limits, options_.connections_max, options_.tls.get(),
      TrafficHandlers{
          [this](Connection& connection, const std::string& peer, bool last) {
            return answer(connection, peer, last);
          },
          [this](int status, const std::string& peer) { return as_http(refuser_(status, peer)); }});
  while (!stopping_) {
    listen_after_bind();
    // The library gives up, and closes the port, on transient errors of accept(2).
    if (!stopping_) log_line(LogLevel::kError, "cannot accept a connection; trying again");
    for (bool again = false; !stopping_ && !again;) {
      std::this_thread::sleep_for(kRebindPause);
      again = bind().has_value();
    }
  }
  traffic_->stop();
  ended_ = true;
}

void Listener::stop() {
  stopping_ = true;
  // A server that is not running yet cannot be stopped, and would run forever.
  while (!ended_ && !is_running()) std::this_thread::sleep_for(kStopLook);
  if (!ended_) httplib::Server::stop();
}

bool Listener::process_and_close_socket(socket_t sock) {
  traffic_->add(sock);
  return true;
}

bool Listener::answer(Connection& connection, const std::string& peer, bool last) {
  t_at_work.peer = peer;
  t_at_work.hang_up = false;
  bool closed = false;
  return process_request(connection, last, closed, nullptr) && !closed && !t_at_work.hang_up;
}

}  // namespace blkrewind::serve
