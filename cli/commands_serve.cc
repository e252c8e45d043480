// serve
#include <algorithm>

#include "cli/commands.h"
#include "cli/serve/server.h"
#include "cli/serve/server_log.h"
#include "cli/signals.h"

namespace blkrewind::cli {
namespace {

// Of all workers together: less than a command uses, because connections and nonces need memory as
// well.
constexpr std::uint64_t kWorkersBufferBytes = 24 * kMiB;

LogLevel server_log_level(const GlobalOptions& options) {
  if (options.quiet) return LogLevel::kWarning;
  return options.verbosity > 0 ? LogLevel::kDebug : LogLevel::kInfo;
}

Status run_serve(Session& session, const serve::ServerOptions& options) {
  const std::uint64_t workers = std::max(options.workers, 1U);
  BLKREWIND_ASSIGN(Engine engine, session.open(true, kWorkersBufferBytes / workers));
  serve::open_server_log(server_log_level(session.options()));
  if (session.options().verbosity == 0) set_log_level(LogLevel::kWarning);
  serve::StopSignals signals;
  signals.asked = [] { return cancel_flag().load(); };
  signals.hurried = [] { return signal_count() > 1; };
  return serve::run_server(engine, options, signals, [&](const std::string& url) {
    return session.receipt({{"url", url}}, "listening on " + url + "\n");
  });
}

}  // namespace

void add_serve_command(CommandSyntax app, Command& chosen) {
  auto [command, options] = add_command<serve::ServerOptions>(
      app, chosen, "serve", "Serve the ResetDisk API over HTTP",
      "serve --access-key-file /etc/blkrewind/access-keys", run_serve);
  command
      .add_option("--listen", options->listen,
                  "Address to listen on (127.0.0.1:8470); other than loopback needs TLS")
      .value_name("ADDRESS:PORT");
  command
      .add_option("--access-key-file", options->access_key_file,
                  "Access keys: lines \"ACCESS_KEY_ID SECRET\", mode 0600")
      .value_name("FILE");
  command.add_option("--region", options->region, "RegionId in answers (cn-local)");
  command.add_option("--tls-cert", options->tls_certificate, "Certificate and chain, PEM")
      .value_name("FILE");
  command.add_option("--tls-key", options->tls_key, "Its private key, PEM").value_name("FILE");
  command
      .add_option("--workers", options->workers,
                  "Rollbacks and snapshots that run concurrently (2)")
      .value_name("N");
  command
      .add_option("--max-waiting", options->waiting_max,
                  "Accepted operations that may wait for a worker (100)")
      .value_name("N");
  command.add_option("--max-connections", options->connections_max, "Concurrent connections (256)")
      .value_name("N");
  command
      .add_option("--grace", options->grace_seconds,
                  "Seconds for running rollbacks to finish after SIGTERM (60)")
      .value_name("SECONDS");
}

}  // namespace blkrewind::cli
