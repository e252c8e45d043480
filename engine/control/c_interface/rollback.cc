// Rollback, undo and resume in the C interface.
#include "control/c_interface/call.h"
#include "control/c_interface/options.h"
#include "control/c_interface/values.h"
#include "control/c_interface/watch.h"

using blkrewind::Engine;
using blkrewind::Monitor;
using blkrewind::Result;
using blkrewind::RollbackOptions;
using blkrewind::RollbackReceipt;
using blkrewind::Status;
using blkrewind::VerifyAfter;
using blkrewind::c_interface::call;
using blkrewind::c_interface::change_source;
using blkrewind::c_interface::clear;
using blkrewind::c_interface::hand_out;
using blkrewind::c_interface::known_options;
using blkrewind::c_interface::need;
using blkrewind::c_interface::unused;
using blkrewind::c_interface::verify_after;
using blkrewind::c_interface::Watch;

namespace {

// undo() and resume(), which differ in nothing else.
using EndRollback = Result<RollbackReceipt> (Engine::*)(const std::string& target, const Monitor&,
                                                        VerifyAfter);

int end_rollback(EndRollback end, blkrewind_engine* engine, const char* target,
                 const blkrewind_undo_options* options, const blkrewind_monitor* monitor,
                 blkrewind_rollback_receipt** receipt, blkrewind_error** error) {
  clear(receipt);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(target != nullptr, "target"));
    BLKREWIND_ASSIGN(const auto known, known_options(options, "blkrewind_undo_options"));
    BLKREWIND_TRY(unused(known.reserved, "blkrewind_undo_options"));
    BLKREWIND_ASSIGN(const VerifyAfter verify, verify_after(known.verify_after));
    BLKREWIND_ASSIGN(const auto watched, known_options(monitor, "blkrewind_monitor"));
    const Watch watch(watched);
    BLKREWIND_ASSIGN(const auto done, (*engine->engine.*end)(target, watch.monitor(), verify));
    hand_out(done, receipt);
    return {};
  });
}

}  // namespace

int blkrewind_rollback(blkrewind_engine* engine, const char* target, const char* snapshot,
                       const blkrewind_rollback_options* options, const blkrewind_monitor* monitor,
                       blkrewind_rollback_receipt** receipt, blkrewind_error** error) {
  clear(receipt);
  return call(error, [&]() -> Status {
    BLKREWIND_TRY(need(engine != nullptr, "engine"));
    BLKREWIND_TRY(need(target != nullptr, "target"));
    BLKREWIND_TRY(need(snapshot != nullptr, "snapshot"));
    BLKREWIND_ASSIGN(const auto known, known_options(options, "blkrewind_rollback_options"));
    RollbackOptions wanted;
    wanted.dry_run = known.dry_run != 0;
    wanted.undo = known.without_undo == 0;
    BLKREWIND_ASSIGN(wanted.change_source, change_source(known.change_source));
    BLKREWIND_ASSIGN(wanted.verify_after, verify_after(known.verify_after));
    BLKREWIND_ASSIGN(const auto watched, known_options(monitor, "blkrewind_monitor"));
    const Watch watch(watched);
    BLKREWIND_ASSIGN(const auto done,
                     engine->engine->rollback(target, snapshot, wanted, watch.monitor()));
    hand_out(done, receipt);
    return {};
  });
}

int blkrewind_undo(blkrewind_engine* engine, const char* target,
                   const blkrewind_undo_options* options, const blkrewind_monitor* monitor,
                   blkrewind_rollback_receipt** receipt, blkrewind_error** error) {
  return end_rollback(&Engine::undo, engine, target, options, monitor, receipt, error);
}

int blkrewind_resume(blkrewind_engine* engine, const char* target,
                     const blkrewind_undo_options* options, const blkrewind_monitor* monitor,
                     blkrewind_rollback_receipt** receipt, blkrewind_error** error) {
  return end_rollback(&Engine::resume, engine, target, options, monitor, receipt, error);
}
