// The shape of an answer: which fields it has, and of which kind.
//
// A shape is a name of a JavaScript type, a pattern of the text, a list with one shape in it (of every
// element), or an object of shapes (all of them must be there; more fields may be).

// Returns what does not fit, as a list of texts.
export function misfits(value, shape, path = 'answer') {
  if (typeof shape === 'string') {
    return typeof value === shape ? [] : [`${path} is no ${shape}: ${JSON.stringify(value)}`];
  }
  if (shape instanceof RegExp) {
    return shape.test(String(value)) ? [] : [`${path} is not ${shape}: ${JSON.stringify(value)}`];
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${path} is no list: ${JSON.stringify(value)}`];
    return value.flatMap((item, index) => misfits(item, shape[0], `${path}[${index}]`));
  }
  if (value === null || typeof value !== 'object')
    return [`${path} is no object: ${JSON.stringify(value)}`];
  return Object.entries(shape).flatMap(([key, inner]) =>
    misfits(value[key], inner, `${path}.${key}`),
  );
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/;
const timeOrNone = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z)?$/;
const paging = {
  RequestId: 'string',
  TotalCount: 'number',
  PageNumber: 'number',
  PageSize: 'number',
};

export const shapes = {
  DescribeDisks: {
    ...paging,
    Disks: {
      Disk: [
        {
          DiskId: /^d-[0-9a-z]{1,28}$/,
          DiskName: 'string',
          Status: /^(In_use|Available|Attaching|Detaching|Creating|ReIniting)$/,
          Size: 'number',
          InstanceId: /^(i-.+)?$/,
          Device: 'string',
          Type: /^(system|data)$/,
          Category: /./,
          Portable: 'boolean',
          OperationLocks: { OperationLock: [{ LockReason: /./ }] },
          CreationTime: time,
          AttachedTime: timeOrNone,
          DetachedTime: timeOrNone,
        },
      ],
    },
  },
  DescribeSnapshots: {
    ...paging,
    Snapshots: {
      Snapshot: [
        {
          SnapshotId: /^s-[0-9a-z]{1,28}$/,
          SnapshotName: 'string',
          Description: 'string',
          SourceDiskId: /^d-/,
          SourceDiskSize: /^\d+$/, // a number; the typed SDKs call it a text
          SourceDiskType: /^(system|data)$/,
          Status: /^(progressing|accomplished|failed)$/,
          Progress: /^\d{1,3}%$/,
          CreationTime: time,
          Usage: /./,
          Tags: { Tag: [{}] },
        },
      ],
    },
  },
  DescribeInstances: {
    ...paging,
    Instances: {
      Instance: [
        {
          InstanceId: /^i-/,
          InstanceName: 'string',
          Status: /^(Pending|Starting|Running|Stopping|Stopped)$/,
          OperationLocks: { LockReason: [{ LockReason: /./ }] },
          ExpiredTime: timeOrNone,
          InstanceChargeType: /^(PrePaid|PostPaid)$/,
        },
      ],
    },
  },
  DescribeInstanceStatus: {
    ...paging,
    InstanceStatuses: {
      InstanceStatus: [
        {
          InstanceId: /^i-/,
          Status: /^(Pending|Starting|Running|Stopping|Stopped)$/,
        },
      ],
    },
  },
  CreateSnapshot: { RequestId: 'string', SnapshotId: /^s-[0-9a-z]{1,28}$/ },
  ResetDisks: {
    RequestId: 'string',
    OperationProgressSet: {
      OperationProgress: [
        {
          OperationStatus: /^(Success|Failed)$/,
          RelatedItemSet: { RelatedItem: [{ Name: /./, Value: /./ }] },
        },
      ],
    },
  },
};
