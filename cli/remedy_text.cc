#include "cli/remedy_text.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace blkrewind::cli {
namespace {

constexpr std::array<std::string_view, kVerbs> kCommands = {
    "",                 // kAdvice
    "",                 // kRunProgram
    "",                 // kRepeat
    "snapshot",         // kSnapshot
    "list",             // kList
    "delete",           // kDelete
    "rollback",         // kRollback
    "undo",             // kUndo
    "resume",           // kResume
    "export",           // kExport
    "import",           // kImport
    "verify",           // kVerify
    "disk register",    // kDiskRegister
    "disk adopt",       // kDiskAdopt
    "disk attach",      // kDiskAttach
    "disk detach",      // kDiskDetach
    "disk forget",      // kDiskForget
    "instance create",  // kInstanceCreate
    "instance show",    // kInstanceShow
    "instance stop",    // kInstanceStop
    "instance unlock",  // kInstanceUnlock
    "instance set",     // kInstanceSet
    "store init",       // kStoreInit
    "store gc",         // kStoreGc
    "store upgrade",    // kStoreUpgrade
    "track start",      // kTrackStart
    "track stop",       // kTrackStop
    "track status",     // kTrackStatus
};

struct Form {
  std::string_view option;  // empty: a positional argument
  std::string_view chosen;  // instead of a value that the caller chooses
};

Form form_of(Parameter parameter, Verb verb) {
  switch (parameter) {
    case Parameter::kTarget:
      return {"", "TARGET"};
    case Parameter::kDisk:
      return {"", "DISK"};
    case Parameter::kPath:
      return {"", "PATH"};
    case Parameter::kSnapshot:
      return {"", "SNAPSHOT"};
    case Parameter::kFile:
      return {"", "FILE"};
    case Parameter::kInstance:
      return {verb == Verb::kDiskAttach ? "--instance" : "", "INSTANCE"};
    case Parameter::kReason:
      return {"--reason", "REASON"};
    case Parameter::kExpiresAt:
      return {"--expires-at", "AT"};
    case Parameter::kArrears:
      return {"--arrears", "ARREARS"};
    case Parameter::kSource:
      return {"--source", "SOURCE"};
    case Parameter::kChangeSource:
      return {"--change-source", "SOURCE"};
    case Parameter::kOfDisk:
      return {"--of", "TARGET"};
    case Parameter::kFreezeLimit:
      return {"--freeze-limit", "TIME"};
    case Parameter::kDeadline:
      return {"--deadline", "TIME"};
    case Parameter::kHook:
      return {"--hook", "PROGRAM"};
    case Parameter::kNoUndo:
      return {"--no-undo", ""};
    case Parameter::kRaw:
      return {"--raw", ""};
    case Parameter::kNewDisk:
      return {"--new", ""};
    case Parameter::kWithSnapshots:
      return {"--with-snapshots", ""};
    case Parameter::kProgram:
    case Parameter::kOption:
    case Parameter::kOperand:
      break;
  }
  return {"", ""};
}

void append_word(std::string& line, std::string_view word) {
  if (!line.empty()) line += ' ';
  line += word;
}

void append_argument(std::string& line, const Argument& argument, Verb verb) {
  const Form form = form_of(argument.parameter, verb);
  if (argument.parameter == Parameter::kProgram || argument.parameter == Parameter::kOption) {
    append_word(line, argument.value);
    return;
  }
  if (!form.option.empty()) append_word(line, form.option);
  if (is_flag(argument.parameter)) return;
  append_word(line, argument.value.empty() && !form.chosen.empty() ? std::string(form.chosen)
                                                                   : shell_word(argument.value));
}

Json json_of_step(const RemedyStep& step, bool is_first) {
  Json json;
  json["verb"] = to_string(step.verb);
  if (!is_first) json["link"] = step.link == Link::kOr ? "or" : "then";
  json["text"] = step.text;
  if (step.verb == Verb::kRunProgram) {
    json["command"] = Json::array();
    for (const Argument& argument : step.arguments) json["command"].push_back(argument.value);
    return json;
  }
  json["arguments"] = Json::object();
  for (const Argument& argument : step.arguments) {
    Json& value = json["arguments"][std::string(to_string(argument.parameter))];
    if (is_flag(argument.parameter)) {
      value = true;
    } else if (!argument.value.empty()) {
      value = argument.value;
    }
  }
  return json;
}

}  // namespace

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=";
  std::string word = text.starts_with('-') ? "./" : "";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return word.append(text);
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::none_of(text, is_control)) {
    for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return "'" + word + "'";
  }
  // A terminal would not show them as they are.
  for (const char c : text) {
    if (is_control(c)) {
      word += {'\\', static_cast<char>('0' + c / 64), static_cast<char>('0' + c / 8 % 8),
               static_cast<char>('0' + c % 8)};
    } else {
      if (c == '\'' || c == '\\') word += '\\';
      word += c;
    }
  }
  return "$'" + word + "'";
}

std::string command_of(const RemedyStep& step, const std::string& store_option) {
  std::string line;
  const std::string_view command = kCommands.at(static_cast<std::size_t>(step.verb));
  if (!command.empty()) {
    line = "blkrewind";
    if (!store_option.empty()) append_word(line, store_option);
    append_word(line, command);
  }
  for (const Argument& argument : step.arguments) append_argument(line, argument, step.verb);
  return line;
}

std::string commands_of(const Remedy& remedy, const std::string& store_option) {
  std::string line;
  for (const RemedyStep& step : remedy.steps) {
    if (!line.empty()) line += "; ";
    line += command_of(step, store_option);
  }
  return line;
}

std::string remedy_text(const Remedy& remedy, const std::string& store_option) {
  return remedy.sentence([&](const RemedyStep& step) {
    const std::string command = command_of(step, store_option);
    return command.empty() ? step.text : step.text + ": " + command;
  });
}

Json remedy_json(const Remedy& remedy) {
  if (remedy.empty()) return nullptr;
  Json json;
  json["reason"] = remedy.reason.empty() ? Json(nullptr) : Json(remedy.reason);
  json["steps"] = Json::array();
  for (const RemedyStep& step : remedy.steps) {
    json["steps"].push_back(json_of_step(step, &step == &remedy.steps.front()));
  }
  return json;
}

}  // namespace blkrewind::cli
