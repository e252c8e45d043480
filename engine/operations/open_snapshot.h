// A snapshot that is open for reading, and cannot be deleted meanwhile (store/home/home.h,
// hold_snapshot()). Any thread, several at a time; must not outlive its Operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "blkrewind/error.h"
#include "format/records.h"
#include "io/env.h"
#include "pipeline/tree_bytes.h"
#include "store/history.h"
#include "store/tree_cursor.h"

namespace blkrewind {

class OpenSnapshot {
 public:
  OpenSnapshot(std::shared_ptr<store::History> history, std::unique_ptr<io::Lock> hold,
               format::SnapshotRecord record, pipeline::ReadMeans& means)
      : history_(std::move(history)),
        hold_(std::move(hold)),
        record_(std::move(record)),
        tree_(store::tree_of(record_)),
        means_(means) {}

  [[nodiscard]] const format::SnapshotRecord& record() const { return record_; }
  [[nodiscard]] const store::Tree& tree() const { return tree_; }
  [[nodiscard]] store::History& history() const { return *history_; }

  // kInvalidArgument: not within the snapshot.
  [[nodiscard]] Status check_within(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] Status read(std::uint64_t offset, std::span<std::byte> into) const;
  // The ranges of `within` with data, or in which it differs from `base`; merged, in ascending
  // order, until `visit` returns false.
  using Visit = std::function<bool(Extent)>;
  [[nodiscard]] Status visit_data(const Extent& within, const Visit& visit) const;
  [[nodiscard]] Status visit_changes(const OpenSnapshot& base, const Extent& within,
                                     const Visit& visit) const;

 private:
  // The chain of an error.
  [[nodiscard]] Status named(Status done) const;

  const std::shared_ptr<store::History> history_;
  const std::unique_ptr<io::Lock> hold_;
  const format::SnapshotRecord record_;
  const store::Tree tree_;
  pipeline::ReadMeans& means_;
};

}  // namespace blkrewind
