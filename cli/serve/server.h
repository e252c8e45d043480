// The whole server: opens what it needs, serves until it is asked to stop, and ends in order.
//
//   start   access keys, TLS, store, address: what is wrong is found before anybody is answered;
//           accepted resets that a crash left are taken up
//   serve   listener -> service -> engine; jobs in the background; snapshots whose retention is
//   over
//           are deleted
//   stop    no new connections; requests under way are answered; rollbacks that run get `grace` to
//           finish, and are left resumable after that
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
  unsigned workers = 2;             // rollbacks and snapshots at once
  std::uint64_t waiting_max = 100;  // accepted ones that wait for a worker
  std::uint64_t connections_max = 256;
  std::uint64_t grace_seconds = 60;
};

// How the server learns that it is to stop; polled.
struct StopSignals {
  std::function<bool()> asked;    // in order
  std::function<bool()> hurried;  // without waiting for what runs
};

// Blocks until stopped. `ready` is called once with the URL, when it accepts connections; what it
// returns ends the server when it is an error.
[[nodiscard]] Status run_server(Engine& engine, const ServerOptions& options,
                                const StopSignals& signals,
                                const std::function<Status(const std::string& url)>& ready);

}  // namespace blkrewind::serve
