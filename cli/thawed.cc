#include "cli/thawed.h"

#include "cli/output.h"

namespace blkrewind::cli {
namespace {

const char* name_of_outcome(ThawOutcome outcome) {
  switch (outcome) {
    case ThawOutcome::kThawed:
      return "thawed";
    case ThawOutcome::kNotFrozen:
      return "not_frozen";
    case ThawOutcome::kNotMounted:
      return "not_mounted";
  }
  return "thawed";
}

std::string text_of_outcome(ThawOutcome outcome) {
  switch (outcome) {
    case ThawOutcome::kThawed:
      return "thawed";
    case ThawOutcome::kNotFrozen:
      return "was not frozen any more";
    case ThawOutcome::kNotMounted:
      return "is not mounted any more";
  }
  return "thawed";
}

}  // namespace

Json json_of(const ThawReceipt& receipt) {
  Json systems = Json::array();
  for (const ThawedFileSystem& each : receipt.file_systems) {
    Json json;
    add_path(json, each.mount_point);
    json["file_system"] = each.type;
    json["process"] = each.pid;
    json["outcome"] = name_of_outcome(each.outcome);
    systems.push_back(std::move(json));
  }
  return {{"file_systems", std::move(systems)}};
}

std::string text_of(const ThawReceipt& receipt) {
  if (receipt.file_systems.empty()) return "no snapshot has left a file system frozen\n";
  std::string text;
  for (const ThawedFileSystem& each : receipt.file_systems) {
    text += printable(each.mount_point) + " (" + printable(each.type) + ", frozen by process " +
            std::to_string(each.pid) + "): " + text_of_outcome(each.outcome) + "\n";
  }
  return text;
}

}  // namespace blkrewind::cli
