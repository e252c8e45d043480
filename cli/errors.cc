#include "cli/errors.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/json.h"
#include "cli/output.h"

namespace blkrewind::cli {
namespace {

// The end of the word that begins at `begin`. A quoted one, as shell_word() makes it, may hold
// blanks; an apostrophe inside a word is none.
std::size_t word_end(std::string_view text, std::size_t begin) {
  bool quoted = false;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const bool escaped = !quoted && i > begin && text[i - 1] == '\\';
    if (text[i] == '\'' && text[begin] == '\'' && !escaped) quoted = !quoted;
    if (text[i] == ' ' && !quoted) return i;
  }
  return text.size();
}

// "list", "list)", "list;"
bool is_command(std::string_view word) {
  constexpr std::array<std::string_view, 14> kCommands = {
      "snapshot", "list",   "diff",   "delete", "rollback", "undo",  "resume",
      "export",   "import", "verify", "disk",   "instance", "store", "track"};
  word = word.substr(0, word.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
  return std::find(kCommands.begin(), kCommands.end(), word) != kCommands.end();
}

}  // namespace

int exit_status(const Error& error, int signal) {
  switch (error.code) {
    case Errc::kInvalidArgument:
      return kExitUsage;
    case Errc::kNotFound:
    case Errc::kAlreadyExists:
    case Errc::kPrecondition:
      return kExitPrecondition;
    case Errc::kIo:
    case Errc::kNoSpace:
    case Errc::kUnsupported:
    case Errc::kInternal:
      return kExitIo;
    case Errc::kIntegrity:
      return kExitIntegrity;
    case Errc::kBusy:
      return kExitBusy;
    case Errc::kCancelled:
      return 128 + (signal != 0 ? signal : SIGINT);
  }
  return kExitIo;
}

std::string error_code(const Error& error) {
  return error.api_code.empty() ? std::string(to_string(error.code)) : error.api_code;
}

std::string with_store(std::string_view hint, const std::string& option) {
  if (option.empty()) return std::string(hint);
  std::string text;
  std::string_view before;
  for (std::size_t at = 0; at < hint.size();) {
    const std::size_t begin = std::min(hint.find_first_not_of(' ', at), hint.size());
    const std::size_t end = word_end(hint, begin);
    const std::string_view word = hint.substr(begin, end - begin);
    text += hint.substr(at, begin - at);
    if (before == "blkrewind" && is_command(word)) text += option + " ";
    text += word;
    before = word.starts_with('(') ? word.substr(1) : word;
    at = end;
  }
  return text;
}

std::string error_text(const Error& error) {
  std::string text = "blkrewind: " + error_code(error) + ": " + printable(error.message);
  std::string detail;
  if (error.extent) detail += " " + blkrewind::to_string(*error.extent);
  if (error.sys_errno != 0) {
    detail += ": " + std::generic_category().message(error.sys_errno) + " (errno " +
              std::to_string(error.sys_errno) + ")";
  }
  if (error.api_code.empty()) {
    text += detail;
  } else if (!detail.empty()) {
    text += "\n  at" + detail;
  }
  for (const std::string& step : error.context) {
    // A step may or may not bring its own "while".
    text += step.starts_with("while ") ? "\n  " : "\n  while ";
    text += printable(step);
  }
  const std::string hint = error.hint.empty() ? error.remedy.to_string() : error.hint;
  if (!hint.empty()) text += "\n  hint: " + printable(hint);
  return text + "\n";
}

std::string error_json(const Error& error) {
  Json json;
  json["code"] = error_code(error);
  json["message"] = error.message;
  json["errno"] = error.sys_errno != 0 ? Json(error.sys_errno) : Json(nullptr);
  json["extent"] = error.extent ? json_of(*error.extent) : Json(nullptr);
  json["hint"] = error.hint.empty() ? Json(nullptr) : Json(error.hint);
  json["http_status"] = error.http_status != 0 ? Json(error.http_status) : Json(nullptr);
  json["context"] = error.context;
  return dump(json) + "\n";
}

}  // namespace blkrewind::cli
