#include "campaign/case.h"

#include <regex>

namespace blkrewind::campaign {
namespace {

std::string to_string(const Cut& cut) {
  return std::to_string(cut.moment) + "." + cut.fate.kind + std::to_string(cut.fate.value);
}

}  // namespace

std::string to_string(const StateCase& name) {
  std::string text = name.workload + "." + std::to_string(name.run) + "." + to_string(name.cut);
  if (name.second) text += std::string(name.backwards ? "+b" : "+f") + to_string(*name.second);
  return text;
}

std::string to_string(const FaultCase& name) {
  return name.workload + ".f" + std::to_string(name.trouble) + "." + std::to_string(name.nth);
}

std::optional<StateCase> parse_state_case(const std::string& text) {
  static const std::regex kForm(
      R"((\w+)\.(\d+)\.(\d+)\.([cpad])(\d+)(\+([fb])(\d+)\.([cpad])(\d+))?)");
  std::smatch part;
  if (!std::regex_match(text, part, kForm)) return std::nullopt;
  StateCase name{
      part[1], std::stoull(part[2]), {std::stoull(part[3]), {*part[4].first, 0}}, {}, {}};
  name.cut.fate.value = std::stoull(part[5]);
  if (part[6].matched) {
    name.backwards = part[7] == "b";
    name.second = Cut{std::stoull(part[8]), {*part[9].first, std::stoull(part[10])}};
  }
  return name;
}

std::optional<FaultCase> parse_fault_case(const std::string& text) {
  static const std::regex kForm(R"((\w+)\.f(\d+)\.(\d+))");
  std::smatch part;
  if (!std::regex_match(text, part, kForm)) return std::nullopt;
  return FaultCase{part[1], std::stoul(part[2]), std::stoull(part[3])};
}

std::vector<sim::Fate> fates_of(const sim::CrashSpace& space, const FateName& name) {
  switch (name.kind) {
    case 'c':
      return space.combination(name.value);
    case 'p':
      return space.prefix(name.value);
    case 'a':
      return space.all_but(name.value);
    default: {
      sim::Random random(name.value);
      return space.draw(random);
    }
  }
}

}  // namespace blkrewind::campaign
