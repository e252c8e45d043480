// Access keys and their secrets, from a file that only its owner may read.
//
// One key per line, "ACCESS_KEY_ID SECRET" separated by blanks; empty lines, and lines whose first
// visible character is "#", are skipped.
//
// Secrets never appear in an error, and are wiped from memory with this object. Any thread may
// read; one thread destroys it. Move only.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/secret_file.h"

namespace blkrewind::serve {

inline constexpr std::size_t kAccessKeyFileBytesMax = 64 * 1024;

class AccessKeys {
 public:
  AccessKeys() = default;
  AccessKeys(AccessKeys&&) = default;
  AccessKeys& operator=(AccessKeys&&) = default;

  // kPrecondition if it is not a regular file, does not belong to root or the effective user, or
  // other users may read it; kInvalidArgument, naming the line, for its content; kIo and kNotFound
  // from the kernel.
  [[nodiscard]] static Result<AccessKeys> load(const std::string& path);
  // `name` is how errors refer to the file.
  [[nodiscard]] static Result<AccessKeys> parse(std::string_view text, const std::string& name);

  // The secret; nullopt for an unknown id. Valid as long as this object.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view access_key_id) const;
  [[nodiscard]] std::size_t size() const { return secrets_.size(); }

 private:
  // The nodes of a map do not move, so no copy of a secret is left behind.
  std::map<std::string, Secret, std::less<>> secrets_;
};

}  // namespace blkrewind::serve
