#include "cli/serve/metrics.h"

#include <algorithm>
#include <cstdio>

namespace blkrewind::serve {
namespace {

std::string number(double value) {
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string head(const std::string& name, const std::string& help, const std::string& type) {
  return "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

std::string single(const std::string& name, const std::string& help, const std::string& type,
                   std::uint64_t value) {
  return head(name, help, type) + name + " " + std::to_string(value) + "\n";
}

std::string by_result(const std::string& name, const std::string& help, std::uint64_t done,
                      std::uint64_t failed) {
  return head(name, help, "counter") + name + "{result=\"done\"} " + std::to_string(done) + "\n" +
         name + "{result=\"failed\"} " + std::to_string(failed) + "\n";
}

}  // namespace

void Histogram::add(double seconds) {
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts_[static_cast<std::size_t>(bucket - kBounds.begin())];
  sum_ += seconds;
}

std::string Histogram::text(const std::string& name, const std::string& help) const {
  std::string lines = head(name, help, "histogram");
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i];
    const std::string bound = i < kBounds.size() ? number(kBounds[i]) : "+Inf";
    lines += name + "_bucket{le=\"" + bound + "\"} " + std::to_string(count) + "\n";
  }
  return lines + name + "_sum " + number(sum_) + "\n" + name + "_count " + std::to_string(count) +
         "\n";
}

void Metrics::count_request(const std::string& action, const std::string& code) {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++requests_[{action, code}];
}

void Metrics::rollback_begins() {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++rollbacks_running_;
}

void Metrics::rollback_is_done(const RollbackReceipt& receipt) {
  const std::lock_guard<std::mutex> guard(mutex_);
  --rollbacks_running_;
  ++rollbacks_done_;
  restored_bytes_ += receipt.restored_bytes + receipt.zeroed_bytes;
  scan_seconds_.add(receipt.scan_seconds);
  restore_seconds_.add(receipt.restore_seconds);
}

void Metrics::rollback_failed() {
  const std::lock_guard<std::mutex> guard(mutex_);
  --rollbacks_running_;
  ++rollbacks_failed_;
}

void Metrics::snapshot_begins() {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++snapshots_running_;
}

void Metrics::snapshot_ended(bool done) {
  const std::lock_guard<std::mutex> guard(mutex_);
  --snapshots_running_;
  ++(done ? snapshots_done_ : snapshots_failed_);
}

std::string Metrics::text() const {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::string text =
      head("blkrewind_requests_total", "Requests by action and code of the answer.", "counter");
  for (const auto& [key, count] : requests_) {
    text += "blkrewind_requests_total{action=\"" + key.first + "\",code=\"" + key.second + "\"} " +
            std::to_string(count) + "\n";
  }
  text += single("blkrewind_rollbacks_running", "Rollbacks that are running.", "gauge",
                 rollbacks_running_);
  text += by_result("blkrewind_rollbacks_total", "Rollbacks that have ended.", rollbacks_done_,
                    rollbacks_failed_);
  text += single("blkrewind_snapshots_running", "Snapshots that are being taken.", "gauge",
                 snapshots_running_);
  text += by_result("blkrewind_snapshots_total", "Snapshots that have ended.", snapshots_done_,
                    snapshots_failed_);
  text += single("blkrewind_restored_bytes_total",
                 "Bytes that rollbacks wrote or zeroed on devices.", "counter", restored_bytes_);
  text += scan_seconds_.text("blkrewind_scan_seconds",
                             "Time that rollbacks spent on finding differences.");
  text +=
      restore_seconds_.text("blkrewind_restore_seconds", "Time that rollbacks spent on restoring.");
  return text;
}

}  // namespace blkrewind::serve
