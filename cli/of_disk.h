// --of, which commands that take a SNAPSHOT have.
#pragma once

#include <string>

#include "blkrewind/engine.h"
#include "cli/parser.h"

namespace blkrewind::cli {

inline void add_of_disk(CommandSyntax command, std::string& disk) {
  command.add_option("--of", disk, "Of this disk: device, image file or disk id")
      .value_name("TARGET");
}

// The snapshot as it was named; by its id where it was said of which disk it is.
[[nodiscard]] inline Result<std::string> snapshot_of(Engine& engine, const std::string& snapshot,
                                                     const std::string& disk) {
  if (disk.empty()) return snapshot;
  return engine.snapshot_id(snapshot, disk);
}

}  // namespace blkrewind::cli
