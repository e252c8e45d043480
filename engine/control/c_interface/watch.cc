#include "control/c_interface/watch.h"

#include <new>

namespace blkrewind::c_interface {

Watch::Watch(const blkrewind_monitor& given)
    : given_(given), cancel_(given.cancel == nullptr ? &own_cancel_ : &given.cancel->set) {
  monitor_.cancel = cancel_;
  if (given_.progress != nullptr) {
    monitor_.progress = [this](const Progress& progress) { report(progress); };
  }
}

void Watch::report(const Progress& progress) {
  const blkrewind_progress shown = {sizeof shown, progress.phase, progress.done_bytes,
                                    progress.total_bytes};
  if (given_.progress(given_.user, &shown) != 0) *cancel_ = true;
}

}  // namespace blkrewind::c_interface

blkrewind_cancel* blkrewind_cancel_new(void) { return new (std::nothrow) blkrewind_cancel; }

void blkrewind_cancel_set(blkrewind_cancel* cancel) {
  if (cancel != nullptr) cancel->set = true;
}

void blkrewind_cancel_reset(blkrewind_cancel* cancel) {
  if (cancel != nullptr) cancel->set = false;
}

void blkrewind_cancel_free(blkrewind_cancel* cancel) { delete cancel; }
