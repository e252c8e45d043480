// The end of a request: the bytes of a client, before any other check.
#include "cli/serve/framing.h"

#include <string_view>

#include "cli/serve/request.h"
#include "fuzz/seal.h"
#include "fuzz/targets.h"

namespace blkrewind::fuzz {
namespace {

using State = serve::Framing::State;

struct Outcome {
  State state = State::kIncomplete;
  std::size_t length_bytes = 0;
  bool ends_connection = false;
  int status = 0;

  bool operator==(const Outcome&) const = default;
};

Outcome outcome_of(const serve::Framing& framing, State state) {
  Outcome outcome{.state = state};
  if (state == State::kComplete) {
    outcome.length_bytes = framing.length_bytes();
    outcome.ends_connection = framing.ends_connection();
  }
  if (state == State::kRefused) outcome.status = framing.status();
  return outcome;
}

Outcome at_once(std::string_view bytes) {
  serve::Framing framing;
  const State state = framing.look(bytes);
  return outcome_of(framing, state);
}

// As sent byte by byte; ends with the first byte that decides.
Outcome byte_by_byte(std::string_view bytes) {
  serve::Framing framing;
  State state = State::kIncomplete;
  for (std::size_t i = 1; i <= bytes.size() && state == State::kIncomplete; ++i) {
    state = framing.look(bytes.substr(0, i));
  }
  return outcome_of(framing, state);
}

void check_complete(std::string_view bytes, const Outcome& outcome) {
  expect(outcome.length_bytes <= bytes.size(), "a request is no longer than what came");
  const std::string_view request = bytes.substr(0, outcome.length_bytes);
  const std::size_t end = request.find("\r\n\r\n");
  expect(end != std::string_view::npos, "a request has its head's end");
  const std::size_t body = request.size() - (end + 4);
  expect(body <= serve::kBodyBytesMax, "a body is no longer than it may be");
  expect(body == 0 || request.starts_with("POST "), "only a POST has a body");
  expect(at_once(request) == outcome, "what follows a request does not change it");
  expect(at_once(request.substr(0, request.size() - 1)).state == State::kIncomplete,
         "a request without its last byte is none");
}

}  // namespace

void http_framing(Bytes input) {
  std::string_view bytes(reinterpret_cast<const char*>(input.data()), input.size());
  // As many as follow each other: the server reads them in the same way.
  while (true) {
    const Outcome outcome = at_once(bytes);
    expect(byte_by_byte(bytes) == outcome, "a request is the same however its bytes come");
    if (outcome.state == State::kRefused) {
      expect(outcome.status == 400 || outcome.status == 413 || outcome.status == 417,
             "a refusal has a status");
    }
    if (outcome.state != State::kComplete) return;
    check_complete(bytes, outcome);
    if (outcome.ends_connection) return;
    bytes.remove_prefix(outcome.length_bytes);
  }
}

}  // namespace blkrewind::fuzz
