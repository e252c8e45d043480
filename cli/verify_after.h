// The values of --verify-after.
#pragma once

#include <string>

#include "blkrewind/engine.h"
#include "cli/parser.h"

namespace blkrewind::cli {

// "" if the option was not given.
inline VerifyAfter verify_after_of(const std::string& word) {
  if (word == "none") return VerifyAfter::kNone;
  if (word == "written") return VerifyAfter::kWritten;
  if (word == "all") return VerifyAfter::kAll;
  return VerifyAfter::kAuto;
}

inline void add_verify_after(CommandSyntax command, std::string& word) {
  command
      .add_option("--verify-after", word,
                  "What to read back from the device afterwards: none, written or all; without the "
                  "option, what was written where that takes under a tenth of the time")
      .one_of({"none", "written", "all"});
}

}  // namespace blkrewind::cli
