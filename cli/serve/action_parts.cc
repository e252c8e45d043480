#include "cli/serve/action_parts.h"

#include <algorithm>

#include "cli/serve/api_errors.h"
#include "cli/times.h"

namespace blkrewind::serve {
namespace {

constexpr std::uint64_t kPagesMax = 1'000'000;

constexpr ApiText kNoDisk{ApiCode::kDiskNotFound, "The specified disk does not exist."};
constexpr ApiText kNoInstance{ApiCode::kInstanceNotFound,
                              "The specified InstanceId does not exist."};

}  // namespace

Result<Page> page_of(const Parameters& parameters, std::uint64_t size_max) {
  Page page;
  BLKREWIND_ASSIGN(page.number, parameters.number("PageNumber", 1, kPagesMax, page.number));
  BLKREWIND_ASSIGN(page.size, parameters.number("PageSize", 1, size_max, page.size));
  return page;
}

Json paged(const Page& page, const std::vector<Json>& rows, const char* list, const char* item) {
  const std::uint64_t first = std::min<std::uint64_t>((page.number - 1) * page.size, rows.size());
  const std::uint64_t end = std::min<std::uint64_t>(first + page.size, rows.size());
  Json items = Json::array();
  for (std::uint64_t i = first; i < end; ++i) items.push_back(rows[i]);
  Json fields;
  fields["TotalCount"] = rows.size();
  fields["PageNumber"] = page.number;
  fields["PageSize"] = page.size;
  fields[list][item] = std::move(items);
  return fields;
}

std::string time_text(std::int64_t seconds) {
  return seconds == 0 ? std::string() : cli::format_time(seconds);
}

Json locks_json(const std::vector<std::string>& reasons) {
  Json locks = Json::array();
  for (const std::string& reason : reasons) locks.push_back({{"LockReason", reason}});
  return locks;
}

bool passes(const std::optional<std::vector<std::string>>& wanted, const std::string& value) {
  return !wanted || std::find(wanted->begin(), wanted->end(), value) != wanted->end();
}

std::uint64_t gib_of(std::uint64_t bytes) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  return (bytes + kGiB - 1) / kGiB;
}

Json nothing() { return Json::object(); }

Error no_such_disk() { return api_error(kNoDisk, "see the disks: DescribeDisks"); }
Error no_such_instance() { return api_error(kNoInstance, "see the instances: DescribeInstances"); }

}  // namespace blkrewind::serve
