// The items of a long answer, written as they are found: there may be more of them than fit into
// memory. As JSON one object, whose list comes first: {"extents":[...],"complete":true,...}.
#pragma once

#include <string>
#include <utility>

#include "blkrewind/error.h"
#include "cli/json.h"
#include "cli/session.h"

namespace blkrewind::cli {

class StreamedList {
 public:
  // `key`: of the list in JSON. `header`: above the first line of text; may be empty.
  StreamedList(Session& session, std::string key, std::string header)
      : session_(session), key_(std::move(key)), header_(std::move(header)) {}

  // What makes the item in either form is called if it is needed; a line comes without its end. A
  // failed write is also the result of finish().
  template <class MakeJson, class MakeLine>
  Status add(const MakeJson& make_json, const MakeLine& make_line) {
    if (written_) written_ = write_item(session_.json() ? dump(make_json()) : make_line());
    return written_;
  }

  // With what is said of all of them. `done`: whether there are no more; its error otherwise.
  Status finish(const Status& done, const Json& rest, const std::string& text);

 private:
  Status write_item(const std::string& item);
  Status begin(bool empty);

  Session& session_;
  const std::string key_;
  const std::string header_;
  Status written_;
  bool begun_ = false;
  bool first_ = true;
};

}  // namespace blkrewind::cli
