// SIGINT, SIGTERM and SIGHUP cancel the running operation at its next safe point.
#pragma once

#include <atomic>

namespace blkrewind::cli {

// The first of the three signals sets the cancel flag; a second SIGINT ends the process at once
// with status 130. A signal that was ignored when the program started (nohup) stays ignored.
// SIGPIPE and SIGXFSZ are ignored: a closed pipe, or a limit on the size of files, must not kill a
// rollback half-way; the write fails instead.
void install_signal_handlers();

// Opens each of the descriptors 0 to 2 that is closed so that using it fails (EBADF). Otherwise the
// next file to be opened, possibly the device itself, would get its number, and the receipt would
// be written to it.
void occupy_standard_streams();

// Polled by operations, through Monitor::cancel.
[[nodiscard]] const std::atomic<bool>& cancel_flag();

// The same as a signal, without one.
void request_cancel();

// The number of these signals received so far.
[[nodiscard]] int signal_count();

// The signal that set the flag, or 0.
[[nodiscard]] int caught_signal();

}  // namespace blkrewind::cli
