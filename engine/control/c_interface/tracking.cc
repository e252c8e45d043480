// Tracking of changes in the C interface.
#include "control/c_interface/call.h"
#include "control/c_interface/options.h"
#include "control/c_interface/values.h"

using blkrewind::Status;
using blkrewind::c_interface::call;
using blkrewind::c_interface::change_source;
using blkrewind::c_interface::clear;
using blkrewind::c_interface::hand_out;
using blkrewind::c_interface::need;
using blkrewind::c_interface::snapshot_options;

int blkrewind_track_start(blkrewind_engine* engine, const char* target, int source,
                          const blkrewind_snapshot_options* options, blkrewind_tracking_info** info,
                          blkrewind_error** error) {
  clear(info);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(target != nullptr, "target"));
    BLKREWIND_ASSIGN(const auto by, change_source(source));
    BLKREWIND_ASSIGN(const auto wanted, snapshot_options(options));
    BLKREWIND_ASSIGN(const auto started, engine->engine->start_tracking(target, by, wanted));
    hand_out(started, info);
    return {};
  });
}

int blkrewind_track_stop(blkrewind_engine* engine, const char* target, blkrewind_error** error) {
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(target != nullptr, "target"));
    BLKREWIND_TRY(engine->engine->stop_tracking(target));
    return {};
  });
}

int blkrewind_track_status(blkrewind_engine* engine, const char* target,
                           blkrewind_tracking_info** info, blkrewind_error** error) {
  clear(info);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(target != nullptr, "target"));
    BLKREWIND_TRY(need(info != nullptr, "info"));
    BLKREWIND_ASSIGN(const auto tracking, engine->engine->tracking(target));
    hand_out(tracking, info);
    return {};
  });
}
