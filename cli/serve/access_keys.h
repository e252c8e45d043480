// Who may call: access keys and their secrets, from a file that only its owner may read.
//
// One key a line, "ACCESS_KEY_ID SECRET" with blanks between; empty lines, and lines whose first
// visible character is "#", are passed over.
//
// Secrets never appear in an error, and are wiped from memory with this object. Reading is for any
// thread, destruction for one. Move only.
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

  // kPrecondition when it is no regular file, belongs to somebody other than root or the caller's
  // effective user, or anybody else may read it; kInvalidArgument, naming the line, for what is in
  // it; kIo and kNotFound from the kernel.
  [[nodiscard]] static Result<AccessKeys> load(const std::string& path);
  // `name` is what errors call the file.
  [[nodiscard]] static Result<AccessKeys> parse(std::string_view text, const std::string& name);

  // The secret; nullopt for an id that is not there. Valid as long as this object is.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view access_key_id) const;
  [[nodiscard]] std::size_t size() const { return secrets_.size(); }

 private:
  // Nodes of a map stay where they are, so no copy of a secret is left behind when it moves.
  std::map<std::string, Secret, std::less<>> secrets_;
};

}  // namespace blkrewind::serve
