// thaw
#include "blkrewind/thaw.h"
#include "cli/commands.h"
#include "cli/thawed.h"

namespace blkrewind::cli {
namespace {

struct ThawArguments {};

Status run_thaw(Session& session, const ThawArguments& /*arguments*/) {
  BLKREWIND_ASSIGN(const ThawReceipt receipt, thaw_leftovers());
  return session.receipt(json_of(receipt), text_of(receipt));
}

}  // namespace

void add_thaw_command(CommandSyntax app, Command& chosen) {
  add_command<ThawArguments>(app, chosen, "thaw",
                             "Thaw what snapshots that were killed have left frozen", "thaw",
                             run_thaw);
}

}  // namespace blkrewind::cli
