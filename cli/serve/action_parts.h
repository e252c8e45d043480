// Shared parts of the actions: paging, times, ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/error.h"
#include "cli/serve/answer.h"
#include "cli/serve/parameters.h"

namespace blkrewind::serve {

// Maximum number of ids in one filter, as in the API.
inline constexpr std::size_t kIdsMax = 100;

struct Page {
  std::uint64_t number = 1;  // starting at 1
  std::uint64_t size = 10;
};

// PageNumber and PageSize.
[[nodiscard]] Result<Page> page_of(const Parameters& parameters, std::uint64_t size_max = 100);

// TotalCount, PageNumber, PageSize, and LIST.ITEM[]: the rows of that page.
[[nodiscard]] Json paged(const Page& page, const std::vector<Json>& rows, const char* list,
                         const char* item);

// "2016-02-23T12:46:24Z"; empty for 0.
[[nodiscard]] std::string time_text(std::int64_t seconds);

// {"OperationLocks": ...} as the API nests it: [{LockReason}, ...].
[[nodiscard]] Json locks_json(const std::vector<std::string>& reasons);

// Whether a filter accepts a value: it was not given, or contains the value.
[[nodiscard]] bool passes(const std::optional<std::vector<std::string>>& wanted,
                          const std::string& value);

// GiB, rounded up, because the API has no smaller unit.
[[nodiscard]] std::uint64_t gib_of(std::uint64_t bytes);

// An answer without fields of its own.
[[nodiscard]] Json nothing();

// InvalidDiskId.NotFound, InvalidInstanceId.NotFound.
[[nodiscard]] Error no_such_disk();
[[nodiscard]] Error no_such_instance();

}  // namespace blkrewind::serve
