// An Engine on a simulated machine, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "blkrewind/engine.h"
#include "control/catalog/catalog.h"
#include "io/env.h"
#include "operations/operations.h"

namespace blkrewind {

struct EngineAccess {
  // `env` outlives the Engine. `catalog_path`: SQLite uses real files whatever the Env is, so a
  // simulated store keeps its catalog in ":memory:" or in a directory of the test. `trackers`
  // outlive the Engine; null: no tracking. `home`: of the store, unless it is in a directory.
  // `freezer` outlives the Engine; null: no snapshots of devices in use.
  [[nodiscard]] static Result<Engine> open(io::Env& env, const OpenOptions& options,
                                           const std::string& catalog_path,
                                           track::Trackers* trackers = nullptr,
                                           const OpenHome& home = {},
                                           freeze::Freezer* freezer = nullptr);
  // Replaces both clocks.
  static void set_moments(Engine& engine, std::function<Moment()> moments);
  // On the real machine, while other processes write to the devices without being refused. For
  // tests of what the trackers see of such writers.
  [[nodiscard]] static Result<Engine> open_beside_writers(const OpenOptions& options);
  // Replaces only the wall clock (seconds since the epoch).
  static void set_clock(Engine& engine, std::function<std::int64_t()> clock);
  [[nodiscard]] static Operations& operations(Engine& engine);
  [[nodiscard]] static control::Catalog& catalog(Engine& engine);
};

}  // namespace blkrewind
