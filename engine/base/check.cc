#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace blkrewind {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "blkrewind: invariant broken: %s (%s:%d); please report this\n", expression,
               file, line);
  std::abort();
}

}  // namespace blkrewind
