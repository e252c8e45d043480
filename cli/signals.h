// SIGINT, SIGTERM and SIGHUP ask the running operation to stop at its next safe place.
#pragma once

#include <atomic>

namespace blkrewind::cli {

// The first of the three signals sets the cancel flag; a second SIGINT ends the process at once
// with status 130. A signal that was ignored when the program started (nohup) stays ignored.
// SIGPIPE and SIGXFSZ are ignored: a reader of our output that goes away, or a limit on the size of
// files, must not kill a rollback half way; the write fails instead.
void install_signal_handlers();

// Gives each of the descriptors 0 to 2 that is closed something that fails (EBADF) when it is used.
// Else the next file to be opened, the device itself, would get its number, and the receipt.
void occupy_standard_streams();

// Polled by operations, through Monitor::cancel.
[[nodiscard]] const std::atomic<bool>& cancel_flag();

// The same as a signal, without one.
void request_cancel();

// How many of the signals came so far.
[[nodiscard]] int signal_count();

// The signal that set the flag, or 0.
[[nodiscard]] int caught_signal();

}  // namespace blkrewind::cli
