// A remedy as a client of the endpoint can use it: actions of the API, and what only the operator
// of the endpoint can do as a request to the operator. Never a command line.
//
// Pure; any thread.
#pragma once

#include <string>

#include "blkrewind/remedy.h"

namespace blkrewind::serve {

// One sentence; empty for an empty remedy.
[[nodiscard]] std::string recommend(const Remedy& remedy);

}  // namespace blkrewind::serve
