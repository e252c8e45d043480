// Files that differ, as text and as JSON.
#pragma once

#include <string>

#include "cli/files/diff_files.h"
#include "cli/json.h"

namespace blkrewind::cli {

// "M f etc/fstab  1230 -> 1250 bytes": + added, - removed, M content, m attributes only, T
// another kind; then the kind, as in find(1).
[[nodiscard]] std::string line_of(const FileDifference& file);
[[nodiscard]] std::string text_of(const DiffFilesReceipt& receipt);
[[nodiscard]] Json json_of(const FileDifference& file);
[[nodiscard]] Json json_of(const DiffFilesReceipt& receipt);

}  // namespace blkrewind::cli
