#include "cli/serve/recommend.h"

#include <string_view>

namespace blkrewind::serve {
namespace {

// The action that does the same; empty where the API has none.
std::string_view action_of(const RemedyStep& step) {
  switch (step.verb) {
    case Verb::kSnapshot:
      return "CreateSnapshot";
    case Verb::kList:
      return step.arguments.empty() ? "DescribeDisks, DescribeSnapshots" : "DescribeSnapshots";
    case Verb::kDelete:
      return "DeleteSnapshot";
    case Verb::kRollback:
      return "ResetDisk";
    case Verb::kResume:
      return "ResetDisk with the same snapshot";
    case Verb::kDiskAttach:
      return "AttachDisk";
    case Verb::kDiskDetach:
      return "DetachDisk";
    case Verb::kInstanceShow:
      return "DescribeInstances";
    case Verb::kInstanceStop:
      return "StopInstance";
    case Verb::kAdvice:
    case Verb::kRunProgram:
    case Verb::kRepeat:
    case Verb::kUndo:
    case Verb::kExport:
    case Verb::kImport:
    case Verb::kVerify:
    case Verb::kDiskRegister:
    case Verb::kDiskAdopt:
    case Verb::kDiskForget:
    case Verb::kInstanceCreate:
    case Verb::kInstanceUnlock:
    case Verb::kInstanceSet:
    case Verb::kStoreInit:
    case Verb::kStoreGc:
    case Verb::kStoreUpgrade:
    case Verb::kTrackStart:
    case Verb::kTrackStop:
    case Verb::kTrackStatus:
      break;
  }
  return {};
}

std::string words_of(const RemedyStep& step) {
  if (step.verb == Verb::kAdvice) return step.text;
  const std::string_view action = action_of(step);
  if (action.empty()) return "ask the operator of this endpoint to " + step.text;
  return step.text + ": " + std::string(action);
}

}  // namespace

std::string recommend(const Remedy& remedy) { return remedy.sentence(words_of); }

}  // namespace blkrewind::serve
