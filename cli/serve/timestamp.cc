#include "cli/serve/timestamp.h"

#include "cli/times.h"

namespace blkrewind::serve {

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  // Of what parse_time() takes, one form has this length, T and Z.
  constexpr std::string_view kForm = "2013-07-15T00:00:00Z";
  if (text.size() != kForm.size() || text[10] != 'T' || text.back() != 'Z') return std::nullopt;
  const auto seconds = cli::parse_time(text);
  return seconds ? std::optional(*seconds) : std::nullopt;
}

}  // namespace blkrewind::serve
