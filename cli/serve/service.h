// One request from its bytes to the bytes of its answer: gateway, action, log line, counters.
//
// Any thread; throws no exception.
#pragma once

#include <string>

#include "blkrewind/engine.h"
#include "cli/serve/actions.h"
#include "cli/serve/answer.h"
#include "cli/serve/gateway.h"
#include "cli/serve/jobs.h"
#include "cli/serve/metrics.h"

namespace blkrewind::serve {

class Service {
 public:
  // All of them outlive this. `host_id`: the name of this server in errors.
  Service(Engine& engine, Gateway& gateway, Jobs& jobs, Metrics& metrics, std::string region,
          std::string host_id);

  // The API, and GET of /healthz and /metrics.
  [[nodiscard]] Answer handle(const RawRequest& request, const std::string& peer);
  // For data that never became a request: `status` of the layer below.
  [[nodiscard]] Answer refuse(int status, const std::string& peer);

 private:
  [[nodiscard]] Answer handle_call(const RawRequest& request, const std::string& peer);
  [[nodiscard]] Result<Json> act(const Call& call, const std::string& request_id);
  [[nodiscard]] Answer health();

  Engine& engine_;
  Gateway& gateway_;
  Jobs& jobs_;
  Metrics& metrics_;
  const std::string region_;
  const std::string host_id_;
};

}  // namespace blkrewind::serve
