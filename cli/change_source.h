// The values of --change-source.
#pragma once

#include <string>

#include "blkrewind/engine.h"
#include "cli/parser.h"

namespace blkrewind::cli {

inline ChangeSource change_source_of(const std::string& word) {
  if (word == "scan") return ChangeSource::kScan;
  if (word == "bitmap") return ChangeSource::kBitmap;
  if (word == "extents") return ChangeSource::kExtents;
  return ChangeSource::kAuto;
}

inline void add_change_source(CommandSyntax command, std::string& word) {
  command
      .add_option("--change-source", word,
                  "How to find out what changed: auto (the cheapest valid source), scan, bitmap or "
                  "extents (see track)")
      .one_of({"auto", "scan", "bitmap", "extents"});
}

}  // namespace blkrewind::cli
