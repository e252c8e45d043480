// The parameters of a call: decoded, from the query and from a form body, each key once.
//
// A value; any thread may read one. Parameters that an action does not use are ignored, as in the
// API (OwnerId, ResourceOwnerAccount and the like). An empty value counts as missing, except in the
// string that is signed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::serve {

struct Parameter {
  std::string key;
  std::string value;
  bool in_query = true;  // otherwise in the form
};

class Parameters {
 public:
  Parameters() = default;

  // `query` is the part after the "?"; `form` a body of application/x-www-form-urlencoded. Refuses,
  // as InvalidParameter, bytes on the wire that are not visible ASCII, a bad escape, a key without
  // a name, a duplicate key (within one of them, or in both), values that decode to invalid UTF-8
  // or to control characters, and more than request.h allows.
  [[nodiscard]] static Result<Parameters> parse(std::string_view query, std::string_view form);

  // In the order of the keys' bytes, as required for signatures.
  [[nodiscard]] const std::vector<Parameter>& sorted() const { return sorted_; }

  // nullopt if it is missing or empty. Valid as long as this object.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const;
  // MissingParameter, with the API's message, if find() returns nothing.
  [[nodiscard]] Result<std::string> need(std::string_view key) const;

  // "true" and "false", ignoring case; `otherwise` if missing.
  [[nodiscard]] Result<bool> boolean(std::string_view key, bool otherwise = false) const;
  // Decimal digits; `otherwise` if missing.
  [[nodiscard]] Result<std::uint64_t> number(std::string_view key, std::uint64_t min,
                                             std::uint64_t max, std::uint64_t otherwise) const;

  // The values of NAME.1, NAME.2, ... or, with `member`, of NAME.1.MEMBER, NAME.2.MEMBER, ...;
  // empty if there are none. Refuses numbers that are not 1 to `count_max` in plain decimal, gaps,
  // and empty values.
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view name,
                                                      std::string_view member,
                                                      std::size_t count_max) const;
  // A JSON array of strings inside one value; nullopt if missing. `malformed`, with a remedy, for
  // anything else: another type, more than `count_max` strings, empty ones, control characters.
  [[nodiscard]] Result<std::optional<std::vector<std::string>>> json_ids(std::string_view key,
                                                                         std::size_t count_max,
                                                                         Error malformed) const;

 private:
  std::vector<Parameter> sorted_;
};

}  // namespace blkrewind::serve
