// The version, the log and the engine of the C interface.
#include "control/c_interface/call.h"
#include "control/c_interface/options.h"
#include "control/c_interface/values.h"

using blkrewind::Engine;
using blkrewind::Errc;
using blkrewind::LogLevel;
using blkrewind::LogSink;
using blkrewind::OpenOptions;
using blkrewind::Status;
using blkrewind::c_interface::call;
using blkrewind::c_interface::clear;
using blkrewind::c_interface::known_options;
using blkrewind::c_interface::need;

const char* blkrewind_version(void) { return blkrewind::version(); }

int blkrewind_set_log(int level, blkrewind_log_callback callback, void* user) {
  return call(nullptr, [&]() -> Status {
    if (level < BLKREWIND_LOG_OFF || level > BLKREWIND_LOG_DEBUG) {
      return blkrewind::fail(Errc::kInvalidArgument, "no blkrewind_log_level");
    }
    LogSink sink;
    if (callback != nullptr) {
      sink = [callback, user](LogLevel of, std::string_view text) {
        callback(user, static_cast<int>(of), std::string(text).c_str());
      };
    }
    // A message on the way between the two goes nowhere, rather than to the wrong place.
    blkrewind::set_log_level(LogLevel::kOff);
    blkrewind::set_log_sink(std::move(sink));
    blkrewind::set_log_level(static_cast<LogLevel>(level));
    return {};
  });
}

int blkrewind_open(const blkrewind_open_options* options, blkrewind_engine** engine,
                   blkrewind_error** error) {
  clear(engine);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_ASSIGN(const auto known, known_options(options, "blkrewind_open_options"));
    OpenOptions wanted;
    if (known.store != nullptr) wanted.store = known.store;
    wanted.create = known.create != 0;
    wanted.allow_io_uring = known.without_io_uring == 0;
    wanted.threads = known.threads;
    wanted.accept_available_disks = known.accept_available_disks != 0;
    if (known.buffer_bytes != 0) wanted.buffer_bytes = known.buffer_bytes;
    BLKREWIND_ASSIGN(Engine opened, Engine::open(wanted));
    *engine = new blkrewind_engine{std::make_shared<Engine>(std::move(opened))};
    return {};
  });
}

void blkrewind_close(blkrewind_engine* engine) { delete engine; }
