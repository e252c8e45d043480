// SIGINT, SIGTERM and SIGHUP ask the running operation to stop at its next safe place.
#pragma once

#include <atomic>

namespace blkrewind::cli {

// The first of the three signals sets the cancel flag; a second SIGINT ends the process at once
// with status 130. A signal that was ignored when the program started (nohup) stays ignored.
// SIGPIPE is ignored: a reader of our output that goes away must not kill a rollback half way.
void install_signal_handlers();

// Polled by operations, through Monitor::cancel.
[[nodiscard]] const std::atomic<bool>& cancel_flag();

// The same as a signal, without one.
void request_cancel();

// The signal that set the flag, or 0.
[[nodiscard]] int caught_signal();

}  // namespace blkrewind::cli
