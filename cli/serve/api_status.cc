#include "cli/serve/api_status.h"

namespace blkrewind::serve {

int http_status(ApiCode code) {
  switch (code) {
    case ApiCode::kDiskNotFound:
    case ApiCode::kSnapshotNotFound:
    case ApiCode::kInstanceNotFound:
    case ApiCode::kUnknownAccessKey:
    case ApiCode::kUnknownAction:
    case ApiCode::kStatusNotFound:
      return 404;
    case ApiCode::kMismatch:
    case ApiCode::kSnapshotNotReady:
    case ApiCode::kOperationDenied:
    case ApiCode::kSnapshotTooOld:
    case ApiCode::kResetInProgress:
    case ApiCode::kUnfinishedSnapshot:
    case ApiCode::kCreatingSnapshot:
    case ApiCode::kDiskStatus:
    case ApiCode::kInstanceStatus:
    case ApiCode::kLockedForSecurity:
    case ApiCode::kExpiredOrInArrears:
    case ApiCode::kTokenMismatch:
    case ApiCode::kConflict:
    case ApiCode::kUnsupportedMethod:
    case ApiCode::kMalformedDiskIds:
    case ApiCode::kMalformedSnapshotIds:
      return 403;
    case ApiCode::kRequestTooLarge:
      return 413;
    case ApiCode::kUnavailable:
      return 503;
    case ApiCode::kInternalError:
      return 500;
    case ApiCode::kMissingParameter:
    case ApiCode::kDryRun:
    case ApiCode::kInvalidParameter:
    case ApiCode::kInvalidRequest:
    case ApiCode::kSignatureDoesNotMatch:
    case ApiCode::kIncompleteSignature:
    case ApiCode::kTimestampFormat:
    case ApiCode::kTimestampExpired:
    case ApiCode::kNonceUsed:
    case ApiCode::kInvalidVersion:
    case ApiCode::kThrottled:
    case ApiCode::kMalformedInstanceIds:
      break;
  }
  return 400;
}

}  // namespace blkrewind::serve
