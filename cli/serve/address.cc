#include "cli/serve/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>

namespace blkrewind::serve {
namespace {

constexpr int kPortMax = 65535;

tl::unexpected<Error> no_address(const std::string& text) {
  return fail(Errc::kInvalidArgument, "invalid address to listen on \"" + text + "\"",
              "use ADDRESS:PORT with a numeric address, as 127.0.0.1:8470 or [::1]:8470");
}

// 127.0.0.0/8 and ::1.
Result<bool> is_loopback(const std::string& host, const std::string& text) {
  in_addr four = {};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24U) == 127;
  in6_addr six = {};
  if (inet_pton(AF_INET6, host.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six) != 0;
  return no_address(text);
}

}  // namespace

Result<Address> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return no_address(text);
  Address address;
  address.host = text.substr(0, colon);
  const bool bracketed =
      address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
  if (!bracketed && address.host.find(':') != std::string::npos) return no_address(text);
  if (address.host == "localhost") address.host = "127.0.0.1";
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc{} || last != end || address.port < 0 || address.port > kPortMax) {
    return no_address(text);
  }
  BLKREWIND_ASSIGN(address.loopback, is_loopback(address.host, text));
  return address;
}

}  // namespace blkrewind::serve
