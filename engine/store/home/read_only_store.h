// Errors of a store that cannot be written.
#pragma once

#include <cerrno>
#include <string>
#include <utility>

#include "blkrewind/error.h"

namespace blkrewind::store {

// The result of an operation that needs to change the store. If its file system is read-only, or
// this user may not write, the error says so, and which commands still work.
template <class T>
[[nodiscard]] Result<T> read_only_store(Result<T> result) {
  if (result) return result;
  const int why = result.error().sys_errno;
  if (why != EROFS && why != EACCES && why != EPERM) return result;
  Error error = std::move(result).error();
  error.message =
      (why == EROFS ? "the store is read-only: " : "this user may only read the store: ") +
      error.message;
  error.remedy = Remedy(why == EROFS ? "mount its file system writable to change it"
                                     : "run it as a user that may write to it, to change it")
                     .because("list, diff, verify and export work as it is");
  return fail(std::move(error));
}

}  // namespace blkrewind::store
