#include "cli/serve/service.h"

#include <chrono>
#include <exception>
#include <utility>

#include "blkrewind/text.h"
#include "cli/serve/api_errors.h"
#include "cli/serve/server_log.h"

namespace blkrewind::serve {
namespace {

constexpr ApiText kNotHttp{ApiCode::kInvalidRequest, "The request is not valid."};
constexpr ApiText kTooLarge{ApiCode::kRequestTooLarge, "The request is too large."};

std::string milliseconds_since(std::chrono::steady_clock::time_point began) {
  const auto spent = std::chrono::steady_clock::now() - began;
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(spent).count());
}

Answer plain(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

// A code for the counters: one of a closed list; codes unknown to this file are counted as one.
std::string code_of(const Result<Json>& result) {
  return result ? "OK" : shown(result.error()).code;
}

}  // namespace

Service::Service(Engine& engine, Gateway& gateway, Jobs& jobs, Metrics& metrics, std::string region,
                 std::string host_id)
    : engine_(engine),
      gateway_(gateway),
      jobs_(jobs),
      metrics_(metrics),
      region_(std::move(region)),
      host_id_(std::move(host_id)) {}

Answer Service::handle(const RawRequest& request, const std::string& peer) {
  try {
    if (request.method == "GET" && request.target == "/healthz") return health();
    if (request.method == "GET" && request.target == "/metrics") {
      return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
    }
    return handle_call(request, peer);
  } catch (const std::exception& exception) {
    log_line(LogLevel::kError, "unexpected: " + std::string(exception.what()));
  }
  return plain(500, "out of order\n");
}

Answer Service::handle_call(const RawRequest& request, const std::string& peer) {
  const auto began = std::chrono::steady_clock::now();
  const std::string request_id = new_request_id();
  const Admission admission = gateway_.admit(request);
  Result<Json> result = admission.call ? act(*admission.call, request_id)
                                       : Result<Json>(fail(admission.call.error()));
  Answer answer = result ? render(admission.format, admission.action, request_id, *result)
                         : render_error(admission.format, request_id, host_id_, result.error());
  const std::string action = admission.action.empty() ? "-" : admission.action;
  const std::string code = code_of(result);
  metrics_.count_request(action, code);
  std::string line = "request_id=" + request_id + " action=" + action + " code=" + code +
                     " status=" + std::to_string(answer.status) +
                     " ms=" + milliseconds_since(began) +
                     " bytes=" + std::to_string(answer.body.size()) + " peer=" + peer;
  if (admission.call) line += " key=" + admission.call->access_key_id;
  // Details that the client is not told.
  if (!result && answer.status >= 500) line += " cause=" + result.error().to_string();
  log_line(answer.status >= 500 ? LogLevel::kError : LogLevel::kInfo, std::move(line));
  return answer;
}

Result<Json> Service::act(const Call& call, const std::string& request_id) {
  const Action action = find_action(call.action);
  if (action == nullptr) return fail(api_error(kUnknownAction));
  return action({engine_, jobs_, region_, request_id}, call.parameters);
}

Answer Service::refuse(int status, const std::string& peer) {
  const std::string request_id = new_request_id();
  const Error error = api_error(status == 503                    ? kUnavailable
                                : status == 413 || status == 431 ? kTooLarge
                                                                 : kNotHttp);
  Answer answer = render_error(Format::kXml, request_id, host_id_, error);
  answer.status = status;
  const std::string code = shown(error).code;
  metrics_.count_request("-", code);
  log_line(LogLevel::kInfo, "request_id=" + request_id + " action=- code=" + code +
                                " status=" + std::to_string(status) + " ms=0 bytes=" +
                                std::to_string(answer.body.size()) + " peer=" + peer);
  return answer;
}

Answer Service::health() {
  const auto disks = engine_.disks();
  if (!disks) {
    log_line(LogLevel::kError, "unhealthy: " + disks.error().to_string());
    return plain(503, "the store cannot be read\n");
  }
  // Another server could not read it either, and the other disks need this one.
  for (const DiskInfo& disk : *disks) {
    if (!disk.trouble) continue;
    log_line(LogLevel::kError, "disk " + disk.id + " cannot be read: " + disk.trouble->to_string());
  }
  return plain(200, "ok\n");
}

}  // namespace blkrewind::serve
