// What the tests of the two workers have in common.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/simulated_env.h"

namespace blkrewind::pipeline {

inline std::unique_ptr<io::File> open_file(sim::SimulatedEnv& env, const std::string& path,
                                           io::Access access) {
  auto file = env.open(path, {.access = access});
  if (!file) throw std::runtime_error(file.error().to_string());
  return std::move(*file);
}

// Gives the worker all of the tasks and takes all of its results, by sequence.
template <class Worker>
std::map<std::uint64_t, typename Worker::Result> run(Worker& worker,
                                                     std::vector<typename Worker::Task> tasks) {
  std::map<std::uint64_t, typename Worker::Result> results;
  std::size_t next = 0;
  while (next < tasks.size() || !worker.idle()) {
    if (next < tasks.size() && worker.wants_task()) {
      worker.add(std::move(tasks[next++]));
    } else {
      const auto stepped = worker.step();
      if (!stepped) throw std::runtime_error(stepped.error().to_string());
    }
    for (auto& result : worker.take_results()) {
      EXPECT_TRUE(results.emplace(result.sequence, std::move(result)).second) << "twice";
    }
  }
  return results;
}

// So many of these have been done.
inline std::uint64_t count(const sim::SimulatedEnv& env, sim::OpKind kind) {
  std::uint64_t found = 0;
  for (const auto& op : env.log()) found += op.kind == kind ? 1 : 0;
  return found;
}

}  // namespace blkrewind::pipeline
