#include "support/golden_store.h"

namespace blkrewind::test {

std::string golden_folder(unsigned version) {
  return std::string(BLKREWIND_GOLDEN) + "/v" + std::to_string(version);
}

}  // namespace blkrewind::test
