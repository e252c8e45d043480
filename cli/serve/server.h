// The whole server: opens its resources, serves until it is stopped, and shuts down in order.
//
//   start   access keys, TLS, store, address: errors are found before the first request is
//           answered; accepted resets that a crash left are continued
//   serve   listener -> service -> engine; jobs in the background; snapshots whose retention has
//           ended are deleted
//   stop    no new connections; requests in progress are answered; running rollbacks get `grace`
//           to finish, and are left resumable after that
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "blkrewind/engine.h"

namespace blkrewind::serve {

struct ServerOptions {
  std::string listen = "127.0.0.1:8470";
  std::string access_key_file = "/etc/blkrewind/access-keys";
  std::string region = "cn-local";
  std::string tls_certificate;  // both or neither
  std::string tls_key;
  unsigned workers = 2;             // rollbacks and snapshots that run concurrently
  std::uint64_t waiting_max = 100;  // accepted ones that may wait for a worker
  std::uint64_t connections_max = 256;
  std::uint64_t grace_seconds = 60;
};

// How the server is told to stop; polled.
struct StopSignals {
  std::function<bool()> asked;    // orderly shutdown
  std::function<bool()> hurried;  // without waiting for running jobs
};

// Blocks until stopped. `ready` is called once with the URL, when the server accepts connections;
// if it returns an error, the server ends with it.
[[nodiscard]] Status run_server(Engine& engine, const ServerOptions& options,
                                const StopSignals& signals,
                                const std::function<Status(const std::string& url)>& ready);

}  // namespace blkrewind::serve
