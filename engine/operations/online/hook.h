// The program that makes applications hold still (OnlineOptions::hook).
//
// The convention is that of the hooks of the QEMU guest agent: it is run with "freeze" before, and
// always with "thaw" afterwards, also where "freeze" has failed.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace blkrewind {

// Runs "thaw" when it is destroyed, once freeze() was called.
class Hook {
 public:
  explicit Hook(std::string program) : program_(std::move(program)) {}
  ~Hook();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  [[nodiscard]] bool exists() const { return !program_.empty(); }
  // kPrecondition: it ended with another status than 0, or could not be run.
  [[nodiscard]] Status freeze();
  // What goes wrong is logged: nothing can be taken back by it.
  void thaw();

 private:
  const std::string program_;
  bool frozen_ = false;
};

}  // namespace blkrewind
