#include "blkrewind/remedy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace blkrewind {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbNames = {
    "advice",        "run_program",   "repeat",
    "snapshot",      "list",          "delete",
    "rollback",      "undo",          "resume",
    "export",        "import",        "verify",
    "disk_register", "disk_adopt",    "disk_attach",
    "disk_detach",   "disk_forget",   "instance_create",
    "instance_show", "instance_stop", "instance_unlock",
    "instance_set",  "store_init",    "store_gc",
    "store_upgrade", "track_start",   "track_stop",
    "track_status"};

constexpr std::array<std::string_view, kParameters> kParameterNames = {
    "target",         "disk",       "path",    "snapshot", "file",          "instance",
    "reason",         "expires_at", "arrears", "source",   "change_source", "of_disk",
    "freeze_limit",   "deadline",   "hook",    "no_undo",  "raw",           "new_disk",
    "with_snapshots", "program",    "option",  "operand"};

void append(Remedy& remedy, Remedy other, Link link) {
  if (remedy.reason.empty()) remedy.reason = std::move(other.reason);
  if (!remedy.steps.empty() && !other.steps.empty()) other.steps.front().link = link;
  for (RemedyStep& step : other.steps) remedy.steps.push_back(std::move(step));
}

}  // namespace

std::string_view to_string(Verb verb) { return kVerbNames.at(static_cast<std::size_t>(verb)); }

std::string_view to_string(Parameter parameter) {
  return kParameterNames.at(static_cast<std::size_t>(parameter));
}

bool is_flag(Parameter parameter) {
  return parameter == Parameter::kNoUndo || parameter == Parameter::kRaw ||
         parameter == Parameter::kNewDisk || parameter == Parameter::kWithSnapshots;
}

Remedy::Remedy(std::string advice) {
  if (!advice.empty()) *this = Remedy(Verb::kAdvice, std::move(advice));
}

Remedy::Remedy(const char* advice) : Remedy(std::string(advice)) {}

Remedy::Remedy(Verb verb, std::string text, std::vector<Argument> arguments) {
  RemedyStep step;
  step.verb = verb;
  step.text = std::move(text);
  step.arguments = std::move(arguments);
  steps.push_back(std::move(step));
}

const RemedyStep* Remedy::find(Verb verb) const {
  const auto found = std::find_if(steps.begin(), steps.end(),
                                  [&](const RemedyStep& step) { return step.verb == verb; });
  return found == steps.end() ? nullptr : &*found;
}

Remedy Remedy::or_else(Remedy other) && {
  append(*this, std::move(other), Link::kOr);
  return std::move(*this);
}

Remedy Remedy::and_then(Remedy other) && {
  append(*this, std::move(other), Link::kThen);
  return std::move(*this);
}

Remedy Remedy::because(std::string fact) && {
  reason = std::move(fact);
  return std::move(*this);
}

std::string Remedy::sentence(const std::function<std::string(const RemedyStep&)>& words_of) const {
  std::string words = reason;
  for (const RemedyStep& step : steps) {
    if (&step != &steps.front()) {
      words += step.link == Link::kOr ? "; or " : "; then ";
    } else if (!words.empty()) {
      words += ": ";
    }
    words += words_of(step);
  }
  return words;
}

std::string Remedy::to_string() const {
  return sentence([](const RemedyStep& step) { return step.text; });
}

Remedy run_program(std::string text, std::string_view command, std::vector<std::string> operands) {
  std::vector<Argument> arguments;
  while (!command.empty()) {
    const std::size_t end = std::min(command.find(' '), command.size());
    arguments.push_back({arguments.empty() ? Parameter::kProgram : Parameter::kOption,
                         std::string(command.substr(0, end))});
    command.remove_prefix(std::min(end + 1, command.size()));
  }
  for (std::string& operand : operands) {
    arguments.push_back({Parameter::kOperand, std::move(operand)});
  }
  return {Verb::kRunProgram, std::move(text), std::move(arguments)};
}

}  // namespace blkrewind
