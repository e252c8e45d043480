// The whole story by one client: describe, snapshot, damage, a refusal, stop the instance, reset the disk,
// poll until it is done, start the instance; and the bytes on the device are those of the snapshot.
import { show } from './report.mjs';
import { fillIn, readDevice, scribble, waitFor, world } from './world.mjs';

export async function story(client, report) {
  console.log(`\n== The whole story, by ${client.name}`);
  const { disk, instance, device } = fillIn({
    disk: '{disk.story}',
    instance: '{instance.story}',
    device: '{device.story}',
  });
  const RegionId = world.region;
  const ids = (...list) => JSON.stringify(list);

  const say = (action, parameters, text) =>
    console.log(`  ${action} ${show(parameters)}\n    -> ${show(text)}`);
  async function call(action, parameters) {
    const { status, body } = await client.call(action, parameters);
    say(action, parameters, body);
    report.check(status === 200, `${client.name}: ${action}`, status);
    report.checkRequestId(body.RequestId, `${client.name}: ${action}`);
    return body;
  }
  const instanceStatus = async () =>
    (await client.call('DescribeInstances', { RegionId, InstanceIds: ids(instance) })).body
      .Instances.Instance[0].Status;

  const disks = await call('DescribeDisks', { RegionId, DiskIds: ids(disk) });
  report.check(disks.Disks.Disk[0].Status === 'In_use', `${client.name}: the disk at first`, disks);
  report.check((await instanceStatus()) === 'Running', `${client.name}: the instance at first`);

  const before = readDevice(device);
  const SnapshotName = `by ${client.name}: ü, <&>, 'q' + *~`;
  const { SnapshotId } = await call('CreateSnapshot', { DiskId: disk, SnapshotName });
  const taken = await waitFor(
    'the snapshot',
    async () =>
      (await client.call('DescribeSnapshots', { RegionId, SnapshotIds: ids(SnapshotId) })).body,
    (body) => body.Snapshots.Snapshot[0]?.Status === 'accomplished',
  );
  say('DescribeSnapshots', { SnapshotIds: ids(SnapshotId) }, taken);
  report.check(taken.Snapshots.Snapshot[0].Progress === '100%', `${client.name}: Progress`, taken);
  report.check(
    taken.Snapshots.Snapshot[0].SnapshotName === SnapshotName,
    `${client.name}: the name`,
    taken,
  );

  scribble(device, before.length);
  report.check(!readDevice(device).equals(before), `${client.name}: the device was changed`);
  console.log(`  a fifth of ${device} overwritten`);

  const refused = await client.refusal('ResetDisk', { DiskId: disk, SnapshotId });
  say('ResetDisk', { DiskId: disk, SnapshotId }, refused);
  report.check(
    refused.code === 'IncorrectInstanceStatus',
    `${client.name}: refused while Running`,
    refused,
  );

  await call('StopInstance', { InstanceId: instance });
  await waitFor('Stopped', instanceStatus, (status) => status === 'Stopped');
  await call('ResetDisk', { DiskId: disk, SnapshotId });
  const seen = new Set();
  await waitFor(
    'In_use',
    async () =>
      (await client.call('DescribeDisks', { RegionId, DiskIds: ids(disk) })).body.Disks.Disk[0]
        .Status,
    (status) => seen.add(status) && status === 'In_use',
  );
  report.check(
    [...seen].every((status) => ['ReIniting', 'In_use'].includes(status)),
    `${client.name}: states on the way`,
    [...seen],
  );
  console.log(`  the disk was ${[...seen].join(', then ')}`);
  await call('StartInstance', { InstanceId: instance });
  await waitFor('Running', instanceStatus, (status) => status === 'Running');

  const same = readDevice(device).equals(before);
  report.check(same, `${client.name}: the bytes on the device are those of the snapshot`);
  if (same) console.log(`  all ${before.length} bytes of ${device} are those of ${SnapshotId}`);

  await call('DeleteSnapshot', { SnapshotId });
  const gone = await call('DescribeSnapshots', { RegionId, SnapshotIds: ids(SnapshotId) });
  report.check(
    gone.TotalCount === 0 && gone.Snapshots.Snapshot.length === 0,
    `${client.name}: the snapshot is gone`,
    gone,
  );
}
