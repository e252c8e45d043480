#include "cli/mount/error_note.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace blkrewind::cli {
namespace {

using nlohmann::json;

// One write, so that no reader sees a part of it.
constexpr std::size_t kNoteBytes = 4096;

}  // namespace

std::string pack_error(const Error& error) {
  json fields = {{"code", static_cast<int>(error.code)},
                 {"errno", error.sys_errno},
                 {"message", error.message},
                 {"context", error.context},
                 {"advice", error.remedy.to_string()}};
  if (error.extent) fields["extent"] = {error.extent->offset, error.extent->length};
  return fields.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<Error> unpack_error(const std::string& text) {
  const json fields = json::parse(text, nullptr, false);
  if (!fields.is_object()) return std::nullopt;
  Error error;
  error.code = static_cast<Errc>(fields.value("code", static_cast<int>(Errc::kInternal)));
  error.sys_errno = fields.value("errno", 0);
  error.message = fields.value("message", std::string());
  error.context = fields.value("context", std::vector<std::string>());
  error.remedy = fields.value("advice", std::string());
  if (const auto extent = fields.value("extent", std::vector<std::uint64_t>());
      extent.size() == 2) {
    error.extent = Extent{extent[0], extent[1]};
  }
  return error;
}

Result<ErrorNote> ErrorNote::make() {
  ErrorNote note;
  note.memory_.reset(memfd_create("the last error", MFD_CLOEXEC));
  if (!note.memory_.valid()) return fail(system_error(errno, "cannot get memory for errors"));
  return note;
}

void ErrorNote::put(const Error& error) const {
  std::string text = pack_error(error);
  if (text.size() >= kNoteBytes) text.clear();
  text.resize(kNoteBytes, '\0');
  static_cast<void>(::pwrite(memory_.get(), text.data(), text.size(), 0));
}

std::optional<Error> ErrorNote::get() const {
  std::string text(kNoteBytes, '\0');
  const ssize_t got = memory_.valid() ? ::pread(memory_.get(), text.data(), text.size(), 0) : 0;
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return unpack_error(text.substr(0, text.find('\0')));
}

}  // namespace blkrewind::cli
