// The values of --change-source.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "blkrewind/engine.h"

namespace blkrewind::cli {

inline ChangeSource change_source_of(const std::string& word) {
  if (word == "scan") return ChangeSource::kScan;
  if (word == "bitmap") return ChangeSource::kBitmap;
  if (word == "extents") return ChangeSource::kExtents;
  return ChangeSource::kAuto;
}

inline void add_change_source(CLI::App& command, std::string& word) {
  command
      .add_option("--change-source", word,
                  "How to find out what changed: auto (the cheapest valid source), scan, bitmap or "
                  "extents (see track)")
      ->check(CLI::IsMember({"auto", "scan", "bitmap", "extents"}));
}

}  // namespace blkrewind::cli
