#include "support/golden_store.h"

namespace blkrewind::test {

std::string golden_folder() { return BLKREWIND_GOLDEN; }

}  // namespace blkrewind::test
