#include "base/privilege.h"

#include <unistd.h>

namespace blkrewind {

std::string permission_hint(const std::string& for_others) {
  if (::geteuid() != 0) return for_others;
  return "even root may not: look for attributes of the file and its folder (lsattr), for a file "
         "system that is read-only or on the network, and for what the container or a security "
         "module takes away";
}

}  // namespace blkrewind
