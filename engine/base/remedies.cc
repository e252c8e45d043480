#include "base/remedies.h"

#include <unistd.h>

#include <utility>

namespace blkrewind {

Remedy look_into_list(std::string text, const std::string& target) {
  Remedy remedy(Verb::kList, std::move(text));
  if (!target.empty()) remedy.steps[0].arguments = {{Parameter::kTarget, target}};
  return remedy;
}

Remedy ways_out(const std::string& target, bool with_undo) {
  Remedy remedy = Remedy(Verb::kResume, "finish it", {{Parameter::kTarget, target}})
                      .because("a rollback of it was interrupted");
  if (!with_undo) return remedy;
  return std::move(remedy).or_else({Verb::kUndo, "take it back", {{Parameter::kTarget, target}}});
}

Remedy restore_file(const std::string& text) {
  return Remedy(Verb::kAdvice, text).and_then({Verb::kVerify, "check which snapshots need it"});
}

Remedy permission_remedy(const std::string& for_others) {
  if (::geteuid() != 0) return for_others;
  return "even root may not: look for attributes of the file and its folder (immutable, "
         "append-only), for a file system that is read-only or on the network, and for what the "
         "container or a security module takes away";
}

Remedy raise_open_files() { return run_program("raise the limit of open files", "ulimit -n"); }

}  // namespace blkrewind
