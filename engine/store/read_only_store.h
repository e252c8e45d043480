// What to say where a store cannot be written.
#pragma once

#include <cerrno>
#include <utility>

#include "blkrewind/error.h"

namespace blkrewind::store {

// The result of something that a change of the store needs. EROFS is the store's whole file system,
// so the error says that the store is read-only, and what can still be done with it.
template <class T>
[[nodiscard]] Result<T> read_only_store(Result<T> result) {
  if (result || result.error().sys_errno != EROFS) return result;
  Error error = std::move(result).error();
  error.message = "the store is read-only: " + error.message;
  error.hint =
      "mount its file system writable to change it; list, diff, verify and export work as it is";
  return fail(std::move(error));
}

}  // namespace blkrewind::store
