// The name of one crash state or one fault point: printed by a failure and accepted by --only.
//
//   state: WORKLOAD.RUN.MOMENT.FATE [+ DIRECTION MOMENT.FATE]     Rollback.0.12.d77+b3.c0
//   fault: WORKLOAD.fTROUBLE.NTH                                  Rollback.f3.17
//
// RUN is the seed of the completion order, MOMENT the mutating operation before the power cut, FATE
// what happens to every unflushed operation: cN is combination N of all (CrashSpace::combination),
// pN keeps the first N, aN keeps all but N, dN is drawn with seed N. After the + a second power cut
// hits the recovery from the first, forwards or backwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/simulated_crash.h"

namespace blkrewind::campaign {

struct FateName {
  char kind = 'c';
  std::uint64_t value = 0;
};

struct Cut {
  std::uint64_t moment = 0;
  FateName fate;
};

struct StateCase {
  std::string workload;
  std::uint64_t run = 0;
  Cut cut;
  bool backwards = false;     // the recovery
  std::optional<Cut> second;  // inside the recovery
};

struct FaultCase {
  std::string workload;
  std::size_t trouble = 0;
  std::uint64_t nth = 0;
};

[[nodiscard]] std::string to_string(const StateCase& name);
[[nodiscard]] std::string to_string(const FaultCase& name);
[[nodiscard]] std::optional<StateCase> parse_state_case(const std::string& text);
[[nodiscard]] std::optional<FaultCase> parse_fault_case(const std::string& text);

[[nodiscard]] std::vector<sim::Fate> fates_of(const sim::CrashSpace& space, const FateName& name);

}  // namespace blkrewind::campaign
