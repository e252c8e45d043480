#include "support/simulated_ops.h"

#include <algorithm>
#include <cstring>

namespace blkrewind::sim {

std::string_view to_string(OpKind kind) {
  switch (kind) {
    case OpKind::kWrite:
      return "write";
    case OpKind::kWriteZeroes:
      return "write zeroes";
    case OpKind::kDiscard:
      return "discard";
    case OpKind::kFlush:
      return "flush";
    case OpKind::kTruncate:
      return "truncate";
    case OpKind::kReserve:
      return "set blocks aside for";
    case OpKind::kCreate:
      return "create";
    case OpKind::kMakeDirectory:
      return "make directory";
    case OpKind::kRename:
      return "rename";
    case OpKind::kRemove:
      return "remove";
    case OpKind::kSyncDirectory:
      return "sync directory";
    case OpKind::kRead:
      return "read";
    case OpKind::kOpen:
      return "open";
    case OpKind::kLook:
      return "look at";
    case OpKind::kLock:
      return "lock";
  }
  return "?";
}

OpKind op_kind(io::Op op) {
  switch (op) {
    case io::Op::kRead:
      return OpKind::kRead;
    case io::Op::kWrite:
      return OpKind::kWrite;
    case io::Op::kWriteZeroes:
      return OpKind::kWriteZeroes;
    case io::Op::kDiscard:
      return OpKind::kDiscard;
    case io::Op::kFlush:
      return OpKind::kFlush;
  }
  return OpKind::kRead;
}

std::string to_string(const LoggedOp& op) {
  std::string text(to_string(op.kind));
  text += " #" + std::to_string(op.number) + " " + op.path;
  if (op.kind == OpKind::kRename) {
    text += " to " + op.to;
  } else if (op.kind == OpKind::kTruncate) {
    text += " to " + std::to_string(op.extent.offset) + " bytes";
  } else if (!op.extent.empty()) {
    text += " [offset " + std::to_string(op.extent.offset) + ", length " +
            std::to_string(op.extent.length) + "]";
  }
  if (op.error != 0) {
    text += ": " + std::string(std::strerror(op.error));
  }
  return text;
}

std::optional<Fault> FaultPlan::match(OpKind kind, const std::string& path) {
  std::optional<Fault> hit;
  for (Armed& armed : armed_) {
    const Fault& fault = armed.fault;
    const bool kind_fits = fault.kinds.empty() || std::find(fault.kinds.begin(), fault.kinds.end(),
                                                            kind) != fault.kinds.end();
    if (!kind_fits || path.find(fault.path) == std::string::npos) {
      continue;
    }
    ++armed.seen;
    if (!hit && (armed.seen == fault.nth || (fault.from_then_on && armed.seen > fault.nth))) {
      hit = fault;
      ++hits_;
    }
  }
  return hit;
}

}  // namespace blkrewind::sim
