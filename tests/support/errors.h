// What tests look for in an Error. Verbs and values as they are: how a front end puts them into
// words is not the engine's.
#pragma once

#include <algorithm>
#include <string>

#include "blkrewind/error.h"

namespace blkrewind {

// "finish it: resume /dev/vdb; or take it back: undo /dev/vdb"
inline std::string words_of(const Remedy& remedy) {
  std::string words = remedy.reason;
  for (const RemedyStep& step : remedy.steps) {
    if (!words.empty()) words += "; ";
    if (&step != &remedy.steps.front()) words += step.link == Link::kOr ? "or " : "then ";
    words += step.text;
    std::string command;
    if (step.verb != Verb::kAdvice && step.verb != Verb::kRunProgram) {
      command = to_string(step.verb);
      std::replace(command.begin(), command.end(), '_', ' ');
    }
    for (const Argument& argument : step.arguments) {
      if (!command.empty()) command += ' ';
      command +=
          is_flag(argument.parameter) ? std::string(to_string(argument.parameter)) : argument.value;
    }
    if (!command.empty()) words += ": " + command;
  }
  return words;
}

inline std::string words_of(const Error& error) {
  return words_of(Remedy(error.remedy).and_then(Remedy(error.hint)));
}

// The name of the API's code; empty without one.
inline std::string api_of(const Error& error) {
  return error.api ? std::string(to_string(*error.api)) : std::string();
}

}  // namespace blkrewind
