#include "cli/serve/server.h"

#include <chrono>
#include <ctime>
#include <thread>
#include <utility>

#include "cli/serve/address.h"
#include "cli/serve/gateway.h"
#include "cli/serve/jobs.h"
#include "cli/serve/listener.h"
#include "cli/serve/metrics.h"
#include "cli/serve/retention.h"
#include "cli/serve/server_log.h"
#include "cli/serve/service.h"
#include "cli/serve/unfinished.h"

namespace blkrewind::serve {
namespace {

constexpr std::chrono::milliseconds kSignalPoll{50};
constexpr unsigned kWorkersMax = 64;
constexpr std::uint64_t kConnectionsMax = 900;  // below FD_SETSIZE, as the HTTP library requires
constexpr std::uint64_t kWaitingMax = 10'000;
constexpr std::uint64_t kGraceSecondsMax = 86'400;
// About 15 MiB when full: 160 requests per second for the half hour in which timestamps are valid.
constexpr std::size_t kNoncesMax = 300'000;

// Only for the timestamps of requests, because it can be set.
std::int64_t seconds_now() { return static_cast<std::int64_t>(std::time(nullptr)); }

// For all periodic work.
std::int64_t steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

Status check(const ServerOptions& options, const Address& address) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return fail(Errc::kInvalidArgument, "--tls-cert and --tls-key go together",
                "name both, or none for plain HTTP on the loopback address");
  }
  if (!address.loopback && options.tls_key.empty()) {
    return fail(Errc::kInvalidArgument,
                options.listen + " can be reached from other machines, and there is no TLS",
                "name --tls-cert and --tls-key, or listen on 127.0.0.1");
  }
  if (options.workers < 1 || options.workers > kWorkersMax) {
    return fail(Errc::kInvalidArgument, "--workers must be 1 to 64");
  }
  if (options.connections_max < 1 || options.connections_max > kConnectionsMax) {
    return fail(Errc::kInvalidArgument, "--max-connections must be 1 to 900");
  }
  if (options.waiting_max > kWaitingMax) {
    return fail(Errc::kInvalidArgument, "--max-waiting must be 0 to 10000");
  }
  if (options.grace_seconds > kGraceSecondsMax) {
    return fail(Errc::kInvalidArgument, "--grace must be 0 to 86400");
  }
  return {};
}

std::string url_of(const Address& address, int port, bool tls) {
  const bool six = address.host.find(':') != std::string::npos;
  return std::string(tls ? "https://" : "http://") +
         (six ? "[" + address.host + "]" : address.host) + ":" + std::to_string(port);
}

}  // namespace

Status run_server(Engine& engine, const ServerOptions& options, const StopSignals& signals,
                  const std::function<Status(const std::string& url)>& ready) {
  BLKREWIND_ASSIGN(const Address address, parse_address(options.listen));
  BLKREWIND_TRY(check(options, address));
  BLKREWIND_ASSIGN(AccessKeys keys, AccessKeys::load(options.access_key_file));
  ListenerOptions listening;
  listening.host = address.host;
  listening.port = address.port;
  listening.connections_max = options.connections_max;
  const bool tls = !options.tls_key.empty();
  if (tls) {
    BLKREWIND_ASSIGN(listening.tls, load_tls(options.tls_certificate, options.tls_key));
  }

  Metrics metrics;
  GatewayOptions admitting;
  admitting.actions = action_names();
  admitting.nonces_max = kNoncesMax;
  Gateway gateway(std::move(keys), std::move(admitting), [] {
    return Nonces::Now{seconds_now(), steady_seconds()};
  });
  Jobs jobs(metrics, options.workers, options.waiting_max);
  Service service(engine, gateway, jobs, metrics, options.region, "blkrewind");
  Listener listener(
      std::move(listening),
      [&](const RawRequest& request, const std::string& peer) {
        return service.handle(request, peer);
      },
      [&](int status, const std::string& peer) { return service.refuse(status, peer); });
  BLKREWIND_ASSIGN(const int port, listener.bind());
  // Before the first request is answered.
  Unfinished unfinished(engine, jobs);
  BLKREWIND_TRY(unfinished.take_up_all());

  std::thread accepting([&] { listener.run(); });
  Status told = ready(url_of(address, port, tls));
  log_line(LogLevel::kInfo, "listening on " + url_of(address, port, tls));
  Retention retention(engine);
  while (told && !signals.asked()) {
    unfinished.tend(steady_seconds());
    retention.tend(steady_seconds());
    std::this_thread::sleep_for(kSignalPoll);
  }
  log_line(LogLevel::kInfo, "stopping");
  listener.stop();
  accepting.join();
  jobs.stop(std::chrono::seconds(options.grace_seconds), signals.hurried);
  log_line(LogLevel::kInfo, "stopped");
  return told;
}

}  // namespace blkrewind::serve
