#include "blkrewind/api_code.h"

#include <array>
#include <cstddef>

namespace blkrewind {
namespace {

constexpr std::array<std::string_view, kApiCodes> kNames = {
    "MissingParameter",
    "InvalidDiskId.NotFound",
    "InvalidSnapshotId.NotFound",
    "InvalidInstanceId.NotFound",
    "InvalidParameter.Mismatch",
    "InvalidSnapshotId.NotReady",
    "OperationDenied",
    "InvalidSnapshot.TooOld",
    "InvalidOperation.DiskResetInProgress",
    "IncorrectDiskStatus.HasUnfinishedSnapshot",
    "IncorrectDiskStatus.CreatingSnapshot",
    "IncorrectDiskStatus",
    "IncorrectInstanceStatus",
    "InstanceLockedForSecurity",
    "InstanceExpiredOrInArrears",
    "IdempotentParameterMismatch",
    "DryRunOperation",
    "Operation.Conflict",
    "ServiceUnavailable",
    "InvalidParameter",
    "InvalidRequest",
    "InvalidRequest",
    "InternalError",
    "InvalidAccessKeyId.NotFound",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidTimeStamp.Format",
    "InvalidTimeStamp.Expired",
    "SignatureNonceUsed",
    "InvalidVersion",
    "InvalidAction.NotFound",
    "UnsupportedHTTPMethod",
    "Throttling.User",
    "InvalidDiskIds.Malformed",
    "InvalidSnapshotIds.Malformed",
    "InvalidInstanceIds.Malformed",
    "InvalidStatus.NotFound",
};

}  // namespace

std::string_view to_string(ApiCode code) { return kNames.at(static_cast<std::size_t>(code)); }

}  // namespace blkrewind
