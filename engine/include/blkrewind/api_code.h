// The error codes of the cloud API whose rules the engine enforces (product ECS, version
// 2014-05-26), as values. Their HTTP statuses are the business of an HTTP front end.
#pragma once

#include <cstdint>
#include <string_view>

#include "blkrewind/export.h"

namespace blkrewind {

enum class ApiCode : std::uint8_t {
  // The engine's refusals.
  kMissingParameter,
  kDiskNotFound,      // InvalidDiskId.NotFound
  kSnapshotNotFound,  // InvalidSnapshotId.NotFound
  kInstanceNotFound,  // InvalidInstanceId.NotFound
  kMismatch,          // InvalidParameter.Mismatch
  kSnapshotNotReady,  // InvalidSnapshotId.NotReady
  kOperationDenied,
  kSnapshotTooOld,      // InvalidSnapshot.TooOld
  kResetInProgress,     // InvalidOperation.DiskResetInProgress
  kUnfinishedSnapshot,  // IncorrectDiskStatus.HasUnfinishedSnapshot
  kCreatingSnapshot,    // IncorrectDiskStatus.CreatingSnapshot
  kDiskStatus,          // IncorrectDiskStatus
  kInstanceStatus,      // IncorrectInstanceStatus
  kLockedForSecurity,   // InstanceLockedForSecurity
  kExpiredOrInArrears,  // InstanceExpiredOrInArrears
  kTokenMismatch,       // IdempotentParameterMismatch
  kDryRun,              // DryRunOperation
  kConflict,            // Operation.Conflict
  kUnavailable,         // ServiceUnavailable

  // What only an endpoint answers with.
  kInvalidParameter,
  kInvalidRequest,   // what is wrong with the HTTP request itself
  kRequestTooLarge,  // InvalidRequest as well
  kInternalError,
  kUnknownAccessKey,  // InvalidAccessKeyId.NotFound
  kSignatureDoesNotMatch,
  kIncompleteSignature,
  kTimestampFormat,   // InvalidTimeStamp.Format
  kTimestampExpired,  // InvalidTimeStamp.Expired
  kNonceUsed,         // SignatureNonceUsed
  kInvalidVersion,
  kUnknownAction,         // InvalidAction.NotFound
  kUnsupportedMethod,     // UnsupportedHTTPMethod
  kThrottled,             // Throttling.User
  kMalformedDiskIds,      // InvalidDiskIds.Malformed
  kMalformedSnapshotIds,  // InvalidSnapshotIds.Malformed
  kMalformedInstanceIds,  // InvalidInstanceIds.Malformed
  kStatusNotFound,        // InvalidStatus.NotFound
};
inline constexpr int kApiCodes = static_cast<int>(ApiCode::kStatusNotFound) + 1;

// As the API writes it: "IncorrectDiskStatus".
[[nodiscard]] BLKREWIND_API std::string_view to_string(ApiCode code);

}  // namespace blkrewind
