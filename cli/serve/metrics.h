// The counters of the server, in the Prometheus format.
//
// Any thread. The label values come from closed lists (actions and API codes), so that a client
// cannot make the table grow. https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "blkrewind/receipt.h"

namespace blkrewind::serve {

class Histogram {
 public:
  // Upper bounds of the buckets, seconds.
  static constexpr std::array<double, 10> kBounds = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300};

  void add(double seconds);
  // As the lines of one metric.
  [[nodiscard]] std::string text(const std::string& name, const std::string& help) const;

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_ = {};
  double sum_ = 0;
};

class Metrics {
 public:
  // `code`: of the answer, "OK" on success.
  void count_request(const std::string& action, const std::string& code);
  void rollback_begins();
  void rollback_is_done(const RollbackReceipt& receipt);
  void rollback_failed();
  void snapshot_begins();
  void snapshot_ended(bool done);

  // Everything, in the text format 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> requests_;
  std::uint64_t rollbacks_running_ = 0;
  std::uint64_t rollbacks_done_ = 0;
  std::uint64_t rollbacks_failed_ = 0;
  std::uint64_t snapshots_running_ = 0;
  std::uint64_t snapshots_done_ = 0;
  std::uint64_t snapshots_failed_ = 0;
  std::uint64_t restored_bytes_ = 0;
  Histogram scan_seconds_;
  Histogram restore_seconds_;
};

}  // namespace blkrewind::serve
