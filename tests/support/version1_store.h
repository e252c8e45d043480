// A store of version 1 on a simulated machine: the golden one, and what a test adds to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "format/records.h"
#include "format/store_header.h"
#include "store/state.h"
#include "support/simulated_env.h"

namespace blkrewind::test {

class Version1Store {
 public:
  static constexpr const char* kPath = "/store";

  // Copies the golden store, all but its catalog. Throws std::runtime_error if it cannot be read.
  Version1Store();

  // Its machine, with everything durable.
  [[nodiscard]] std::unique_ptr<sim::SimulatedEnv> machine() const { return env_->crash(1); }
  [[nodiscard]] const format::StoreHeader& header() const { return header_; }
  // What the journal says.
  [[nodiscard]] const store::State& journal() const { return journal_; }

  // Appends a record to the journal.
  void append(const format::Transaction& transaction);
  // A segment without chunks, as an operation that crashed leaves it.
  void add_segment(format::SegmentId id);
  // Replaces bytes of one: "segments/11", "format".
  void write(const std::string& name, std::uint64_t offset, const std::vector<std::byte>& bytes);
  // Whatever the simulated machine can do to it; what is done is made durable.
  [[nodiscard]] sim::SimulatedEnv& env() { return *env_; }

 private:
  std::unique_ptr<sim::SimulatedEnv> env_ = std::make_unique<sim::SimulatedEnv>();
  format::StoreHeader header_;
  store::State journal_;
  std::uint64_t end_bytes_ = 0;  // of the journal
  std::uint64_t next_sequence_ = 0;
};

}  // namespace blkrewind::test
