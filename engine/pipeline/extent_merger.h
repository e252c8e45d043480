// Joins neighbouring extents, which come in ascending order: the one place that says what "one
// extent" is, in a difference, a receipt and an error. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind::pipeline {

class ExtentMerger {
 public:
  // The joined extent before this one, once it is known where it ends.
  std::optional<Extent> add(const Extent& extent) {
    bytes_ += extent.length;
    if (open_ && open_->end() == extent.offset) {
      open_->length += extent.length;
      return std::nullopt;
    }
    ++count_;
    return std::exchange(open_, extent);
  }
  // The last one.
  std::optional<Extent> finish() { return std::exchange(open_, std::nullopt); }

  // The one that the last add() began or continued.
  [[nodiscard]] const std::optional<Extent>& open() const { return open_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::optional<Extent> open_;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

// Counts all extents and names the first ones.
class ExtentTally {
 public:
  static constexpr std::size_t kNamedMax = 16;

  void add(const Extent& extent) {
    (void)merger_.add(extent);
    if (merger_.count() > kNamedMax) return;
    named_.resize(merger_.count());
    named_.back() = *merger_.open();
  }

  [[nodiscard]] bool empty() const { return merger_.count() == 0; }
  [[nodiscard]] std::uint64_t bytes() const { return merger_.bytes(); }
  [[nodiscard]] std::uint64_t count() const { return merger_.count(); }
  [[nodiscard]] const std::vector<Extent>& named() const { return named_; }
  // " [offset 4096, length 1024] and 3 extents more"
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const Extent& extent : named_) text += " " + to_string(extent);
    if (count() <= named_.size()) return text;
    return text + " and " + std::to_string(count() - named_.size()) + " extents more";
  }

 private:
  ExtentMerger merger_;
  std::vector<Extent> named_;
};

}  // namespace blkrewind::pipeline
