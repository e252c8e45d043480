// HTTP on a socket: requests in, answers out, with limits on everything a client can do to us.
//
// The HTTP library accepts connections and understands requests; traffic.h has the connections in
// between, not more than `connections_max`. Nothing here knows what a request means.
#pragma once

#include <httplib.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "cli/serve/answer.h"
#include "cli/serve/connection.h"
#include "cli/serve/request.h"
#include "cli/serve/tls.h"
#include "cli/serve/traffic.h"

namespace blkrewind::serve {

struct ListenerOptions {
  std::string host = "127.0.0.1";
  int port = 8470;  // 0: any free one
  std::size_t connections_max = 256;
  ConnectionLimits limits;
  TlsContext tls;  // null: plain HTTP
};

class Listener final : private httplib::Server {
 public:
  // Called from several threads; lets no exception out. `peer` as "ADDRESS:PORT".
  using Handler = std::function<Answer(const RawRequest& request, const std::string& peer)>;
  // For what is no HTTP request at all, or breaks a limit of this layer.
  using Refuser = std::function<Answer(int status, const std::string& peer)>;

  Listener(ListenerOptions options, Handler handler, Refuser refuser);

  // Returns the port. kBusy when somebody has it, kInvalidArgument for an address of another
  // machine.
  [[nodiscard]] Result<int> bind();
  // After bind(). Serves until stop() is called; then requests under way are answered, and it
  // returns.
  void run();
  // Any thread but that of run(), which is called once, now or later.
  void stop();

 private:
  bool process_and_close_socket(socket_t sock) override;
  void set_up();
  [[nodiscard]] bool answer(Connection& connection, const std::string& peer, bool last);

  ListenerOptions options_;
  const Handler handler_;
  const Refuser refuser_;
  std::unique_ptr<Traffic> traffic_;  // of run()
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
};

}  // namespace blkrewind::serve
