// Thawing what was left frozen.
#include "blkrewind/thaw.h"
#include "control/caught.h"
#include "freeze/leftovers.h"

namespace blkrewind {

Result<ThawReceipt> thaw_leftovers() try {
  return freeze::thaw_leftovers(freeze::kStateFolder);
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
