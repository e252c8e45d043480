// A gateway with one access key, a stopped clock, and a signer with the same.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "cli/serve/gateway.h"
#include "support/errors.h"
#include "support/request_signer.h"

namespace blkrewind::serve {

inline constexpr std::int64_t kNow = 1456231584;  // 2016-02-23T12:46:24Z

inline Gateway make_gateway(const std::atomic<std::int64_t>& now, std::size_t nonces_max = 65536) {
  GatewayOptions options;
  options.actions = {"ResetDisk", "ResetDisks", "DescribeDisks"};
  options.nonces_max = nonces_max;
  return {AccessKeys::parse("testid testsecret\nother othersecret\n", "keys").value(),
          std::move(options), [&now] {
            return Nonces::Now{now.load(), now.load()};
          }};
}

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() { signer_.now = kNow; }

  // The code; empty if the request was accepted.
  std::string code_of(const RawRequest& request) {
    const Admission admission = gateway_.admit(request);
    return admission.call ? "" : api_of(admission.call.error());
  }

  std::atomic<std::int64_t> now_ = kNow;
  Gateway gateway_ = make_gateway(now_);
  test::Signer signer_;
};

inline void set_header(RawRequest& request, const std::string& name, const std::string& value) {
  for (auto& header : request.headers) {
    if (header.first == name) header.second = value;
  }
}

inline void remove_header(RawRequest& request, const std::string& name) {
  std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
}

}  // namespace blkrewind::serve
