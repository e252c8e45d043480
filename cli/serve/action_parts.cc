#include "cli/serve/action_parts.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "cli/serve/api_errors.h"

namespace blkrewind::serve {
namespace {

constexpr std::uint64_t kPagesMax = 1'000'000;
constexpr std::size_t kIdCharsMax = 30;

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
  if (seconds == 0) return {};
  const std::time_t time = seconds;
  std::tm parts = {};
  gmtime_r(&time, &parts);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

bool is_id(std::string_view prefix, std::string_view text) {
  if (text.size() <= prefix.size() || text.size() > kIdCharsMax || !text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
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
