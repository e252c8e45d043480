#include "cli/streamed_list.h"

namespace blkrewind::cli {

// `empty`: nothing follows.
Status StreamedList::begin(bool empty) {
  if (begun_) return {};
  begun_ = true;
  if (session_.json()) return session_.out().write("{\"" + key_ + "\":[");
  if (empty || header_.empty() || session_.options().quiet) return {};
  return session_.out().write(header_ + "\n");
}

Status StreamedList::write_item(const std::string& item) {
  session_.erase_progress();
  BLKREWIND_TRY(begin(false));
  if (!session_.json()) return session_.out().write(item + "\n");
  const std::string comma = first_ ? "" : ",";
  first_ = false;
  return session_.out().write(comma + item);
}

Status StreamedList::finish(const Status& done, const Json& rest, const std::string& text) {
  session_.erase_progress();
  BLKREWIND_TRY(written_);
  if (!done) {
    // Output that has started ends as valid JSON that marks it as incomplete.
    if (begun_ && session_.json()) {
      BLKREWIND_TRY(session_.out().write("],\"complete\":false}\n"));
    }
    BLKREWIND_TRY(session_.out().flush());
    return done;
  }
  BLKREWIND_TRY(begin(true));
  if (session_.json()) {
    Json all = rest;
    all["complete"] = true;
    // Without its opening brace, which was written already.
    BLKREWIND_TRY(session_.out().write("]," + dump(all).substr(1) + "\n"));
  } else if (!session_.options().quiet) {
    BLKREWIND_TRY(session_.out().write(text));
  }
  return session_.out().flush();
}

}  // namespace blkrewind::cli
