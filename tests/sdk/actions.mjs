// Every action answered: its shape, its filters and its pages, and what it changes.
import { misfits, shapes } from './shape.mjs';
import { fillIn, readDevice, scribble, waitFor, world } from './world.mjs';

const RegionId = world.region;
const ids = (...names) => JSON.stringify(fillIn(names));
const lists = {
  DescribeDisks: ['Disks', 'Disk', 'DiskId'],
  DescribeSnapshots: ['Snapshots', 'Snapshot', 'SnapshotId'],
  DescribeInstances: ['Instances', 'Instance', 'InstanceId'],
  DescribeInstanceStatus: ['InstanceStatuses', 'InstanceStatus', 'InstanceId'],
};

export async function actions(client, report) {
  console.log(`\n== Every action, by ${client.name}`);
  const test = new ActionTest(client, report);
  await test.descriptions();
  await test.pages();
  await test.snapshotsOnce();
  await test.instances();
  await test.attachments();
  await test.severalDisks();
}

class ActionTest {
  constructor(client, report) {
    this.client = client;
    this.report = report;
  }

  check(good, what, got) {
    return this.report.check(good, `${this.client.name}: ${what}`, got);
  }

  async call(action, parameters) {
    const { status, body } = await this.client.call(action, fillIn(parameters));
    this.check(status === 200, action, status);
    this.report.checkRequestId(body.RequestId, `${this.client.name}: ${action}`);
    const wrong = misfits(body, shapes[action] ?? { RequestId: 'string' });
    this.check(wrong.length === 0, `the shape of ${action}`, wrong);
    return body;
  }

  // The items of a description, and how many there are in all.
  async items(action, parameters) {
    const body = await this.call(action, { RegionId, ...parameters });
    const [outer, inner] = lists[action];
    return { items: body[outer][inner], total: body.TotalCount, body };
  }

  // A filter lets exactly these through.
  async filtered(action, parameters, ...names) {
    const { items, total } = await this.items(action, parameters);
    const wanted = fillIn(names).sort();
    const got = items.map((item) => item[lists[action][2]]).sort();
    const good = this.check(
      total === wanted.length && got.join() === wanted.join(),
      `${action} ${JSON.stringify(parameters)}`,
      { total, got, wanted },
    );
    if (good) console.log(`  ${action} ${JSON.stringify(fillIn(parameters))}: ${got.join(' ')}`);
    return items;
  }

  async descriptions() {
    await this.filtered(
      'DescribeDisks',
      { DiskIds: ids('{disk.plain}', '{disk.other}') },
      '{disk.plain}',
      '{disk.other}',
    );
    await this.filtered('DescribeDisks', { DiskIds: '["d-nosuchdisk"]' });
    const [available] = await this.filtered(
      'DescribeDisks',
      { Status: 'Available' },
      '{disk.detached}',
    );
    this.check(
      available?.InstanceId === '' && available?.DetachedTime !== '',
      'an Available disk',
      available,
    );
    await this.filtered('DescribeDisks', { Status: 'ReIniting' }, '{disk.resetting}');
    const [locked] = await this.filtered(
      'DescribeDisks',
      { InstanceId: '{instance.locked}' },
      '{disk.locked}',
    );
    this.check(
      locked?.OperationLocks.OperationLock[0]?.LockReason === 'security',
      'the lock of a disk',
      locked,
    );

    await this.filtered(
      'DescribeSnapshots',
      { SnapshotIds: ids('{snapshot.plain}', '{snapshot.old}') },
      '{snapshot.plain}',
      '{snapshot.old}',
    );
    await this.filtered('DescribeSnapshots', { DiskId: '{disk.other}' }, '{snapshot.other}');
    await this.filtered(
      'DescribeSnapshots',
      { InstanceId: '{instance.locked}' },
      '{snapshot.locked}',
    );
    const [unfinished] = await this.filtered(
      'DescribeSnapshots',
      { Status: 'progressing' },
      '{snapshot.unfinished}',
    );
    this.check(
      unfinished?.Progress !== '100%',
      'the progress of an unfinished snapshot',
      unfinished,
    );
    const [old] = await this.filtered(
      'DescribeSnapshots',
      { DiskId: '{disk.old}', Status: 'accomplished' },
      '{snapshot.old}',
    );
    this.check(
      old?.CreationTime.startsWith('2013-07-15T23:59'),
      'the time of an imported snapshot',
      old,
    );

    const [one] = await this.filtered(
      'DescribeInstances',
      { InstanceIds: ids('{instance.locked}') },
      '{instance.locked}',
    );
    this.check(
      one?.OperationLocks.LockReason[0]?.LockReason === 'security',
      'the lock of an instance',
      one,
    );
    const [expired] = await this.filtered(
      'DescribeInstances',
      { InstanceIds: ids('{instance.expired}') },
      '{instance.expired}',
    );
    this.check(
      expired?.ExpiredTime.startsWith('2020-01-01T00:00') &&
        expired?.InstanceChargeType === 'PrePaid',
      'an instance that expired',
      expired,
    );
    const { items: running } = await this.items('DescribeInstances', { Status: 'Running' });
    this.check(
      running.some((item) => item.InstanceId === fillIn('{instance.running}')) &&
        running.every((item) => item.Status === 'Running'),
      'instances that run',
      running,
    );
    const statuses = await this.filtered(
      'DescribeInstanceStatus',
      { InstanceId: fillIn(['{instance.running}', '{instance.stopped}']) },
      '{instance.running}',
      '{instance.stopped}',
    );
    this.check(
      statuses
        .map((item) => item.Status)
        .sort()
        .join() === 'Running,Stopped',
      'their states',
      statuses,
    );
  }

  // All pages together are everything, once.
  async pages() {
    for (const [action, PageSize, parameters, exactly] of [
      ['DescribeDisks', 4, {}],
      ['DescribeSnapshots', 5, { DiskId: '{disk.paging}' }, 12],
      ['DescribeInstances', 3, {}],
      ['DescribeInstanceStatus', 2, {}],
    ]) {
      const first = await this.items(action, parameters);
      this.check(
        first.body.PageNumber === 1 &&
          first.body.PageSize === 10 &&
          first.items.length === Math.min(10, first.total),
        `${action}: a first page of ten`,
        first.body,
      );
      const seen = [];
      const count = Math.ceil(first.total / PageSize);
      for (let PageNumber = 1; PageNumber <= count + 1; PageNumber++) {
        const page = await this.items(action, {
          ...parameters,
          PageSize: `${PageSize}`,
          PageNumber: `${PageNumber}`,
        });
        this.check(
          page.body.PageNumber === PageNumber &&
            page.body.PageSize === PageSize &&
            page.total === first.total,
          `${action}: page ${PageNumber} says what it is`,
          page.body,
        );
        this.check(
          page.items.length <= PageSize && (PageNumber <= count || page.items.length === 0),
          `${action}: page ${PageNumber} of ${count}`,
          page.items.length,
        );
        seen.push(...page.items.map((item) => item[lists[action][2]]));
      }
      const good = this.check(
        seen.length === first.total &&
          new Set(seen).size === seen.length &&
          seen.length === (exactly ?? seen.length),
        `${action}: all pages together`,
        seen,
      );
      if (good) console.log(`  ${action}: ${seen.length} in ${count} pages of ${PageSize}`);
    }
  }

  // One ClientToken makes one snapshot, however often it is sent.
  async snapshotsOnce() {
    const request = {
      DiskId: '{disk.plain}',
      SnapshotName: 'once',
      Description: 'a description',
      RetentionDays: '7',
      ClientToken: `token-${Date.now()}-${Math.random()}`,
      Tag: [{ Key: 'team', Value: 'storage' }],
    };
    const first = await this.call('CreateSnapshot', request);
    const wait = () =>
      waitFor(
        'the snapshot',
        () => this.items('DescribeSnapshots', { SnapshotIds: JSON.stringify([first.SnapshotId]) }),
        ({ items }) => items[0]?.Status === 'accomplished',
      );
    const {
      items: [made],
    } = await wait();
    this.check(
      made.Description === 'a description' && made.SourceDiskId === fillIn('{disk.plain}'),
      'the snapshot',
      made,
    );
    const second = await this.call('CreateSnapshot', request);
    this.check(second.SnapshotId === first.SnapshotId, 'the same ClientToken again', [
      first,
      second,
    ]);
    const other = await this.client.refusal(
      'CreateSnapshot',
      fillIn({ ...request, SnapshotName: 'twice' }),
    );
    this.check(
      other.code === 'IdempotentParameterMismatch' && other.status === 403,
      'the same ClientToken for another snapshot',
      other,
    );
    await this.call('DeleteSnapshot', { SnapshotId: first.SnapshotId, Force: 'true' });
    const again = await this.client.refusal('DeleteSnapshot', { SnapshotId: first.SnapshotId });
    this.check(again.code === 'InvalidSnapshotId.NotFound', 'a snapshot that was deleted', again);
    console.log(`  CreateSnapshot twice with one ClientToken, DeleteSnapshot: ${first.SnapshotId}`);
  }

  async instances() {
    const InstanceId = '{instance.stopped}';
    await this.call('StartInstance', { InstanceId });
    await this.reaches(InstanceId, 'Running');
    await this.call('StopInstance', { InstanceId, ForceStop: 'true' });
    await this.reaches(InstanceId, 'Stopped');
    console.log('  StartInstance, StopInstance');
  }

  reaches(InstanceId, wanted) {
    return waitFor(
      wanted,
      () => this.items('DescribeInstanceStatus', { InstanceId: [InstanceId] }),
      ({ items }) => items[0].Status === wanted,
    );
  }

  async attachments() {
    const disk = { InstanceId: '{instance.stopped}', DiskId: '{disk.spare}' };
    const status = () => this.items('DescribeDisks', { DiskIds: ids('{disk.spare}') });
    await this.call('DetachDisk', disk);
    await waitFor('Available', status, ({ items }) => items[0].Status === 'Available');
    await this.call('AttachDisk', disk);
    const { items } = await waitFor(
      'In_use',
      status,
      (answer) => answer.items[0].Status === 'In_use',
    );
    this.check(items[0].InstanceId === fillIn('{instance.stopped}'), 'the disk is attached', items);
    console.log('  DetachDisk, AttachDisk');
  }

  // Two disks go back in one call; one of another instance, which runs, is refused beside them.
  async severalDisks() {
    const names = ['plain', 'twin'];
    const devices = names.map((name) => fillIn(`{device.${name}}`));
    const before = devices.map(readDevice);
    devices.forEach((device, index) => scribble(device, before[index].length));
    const Disk = names.map((name) => ({
      DiskId: `{disk.${name}}`,
      SnapshotId: `{snapshot.${name}}`,
    }));
    const body = await this.call('ResetDisks', { Disk });
    const progress = body.OperationProgressSet.OperationProgress;
    this.check(
      progress.length === 2 && progress.every((item) => item.OperationStatus === 'Success'),
      'ResetDisks',
      body,
    );
    const related = progress
      .flatMap((item) => item.RelatedItemSet.RelatedItem)
      .map((item) => item.Value);
    this.check(
      Disk.every((disk) => related.includes(fillIn(disk.DiskId))),
      'ResetDisks names the disks',
      related,
    );
    await waitFor(
      'In_use',
      () => this.items('DescribeDisks', { DiskIds: ids('{disk.plain}', '{disk.twin}') }),
      ({ items }) => items.every((item) => item.Status === 'In_use'),
    );
    const same = devices.every((device, index) => readDevice(device).equals(before[index]));
    if (this.check(same, 'ResetDisks: the bytes of both are those of their snapshots')) {
      console.log(`  ResetDisks: ${devices.join(' and ')} hold the bytes of their snapshots`);
    }
  }
}
