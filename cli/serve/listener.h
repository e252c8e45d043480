// HTTP on a socket: requests in, answers out, with limits on everything that a client can do.
//
// The HTTP library accepts connections and parses requests; traffic.h manages the connections in
// between, at most `connections_max`. Nothing here interprets a request.
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
  // Called from several threads; throws no exception. `peer` as "ADDRESS:PORT".
  using Handler = std::function<Answer(const RawRequest& request, const std::string& peer)>;
  // For data that is not an HTTP request, or violates a limit of this layer.
  using Refuser = std::function<Answer(int status, const std::string& peer)>;

  Listener(ListenerOptions options, Handler handler, Refuser refuser);

  // Returns the port. kBusy if another program uses it, kInvalidArgument for an address of another
  // machine.
  [[nodiscard]] Result<int> bind();
  // After bind(). Serves until stop() is called; then answers the requests in progress and returns.
  void run();
  // Any thread except that of run(), which is called once, before or after.
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
