// Resets a disk to one of its snapshots through `blkrewind serve`, with the cloud SDK for Node.js.
//
//   npm install @alicloud/ecs20140526@7.11.6 @alicloud/openapi-core@1.0.8
//   blkrewind serve --access-key-file keys &        # keys: one line "my-key my-secret", mode 0600
//   ALIBABA_CLOUD_ACCESS_KEY_ID=my-key ALIBABA_CLOUD_ACCESS_KEY_SECRET=my-secret \
//     node reset_disk.mjs d-... s-...               # both ids: blkrewind list
import ecs from '@alicloud/ecs20140526';
import openapi from '@alicloud/openapi-core';

const [diskId, snapshotId] = process.argv.slice(2);
const client = new ecs.default(
  new openapi.$OpenApiUtil.Config({
    accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
    accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
    endpoint: process.env.BLKREWIND_ENDPOINT ?? '127.0.0.1:8470',
    protocol: 'http',
    regionId: 'cn-local',
  }),
);

async function status() {
  const answer = await client.describeDisks(
    new ecs.DescribeDisksRequest({
      regionId: 'cn-local',
      diskIds: JSON.stringify([diskId]),
    }),
  );
  return answer.body.disks.disk[0].status;
}

try {
  await client.resetDisk(new ecs.ResetDiskRequest({ diskId, snapshotId }));
  while ((await status()) !== 'In_use') await new Promise((resolve) => setTimeout(resolve, 500));
  console.log(`${diskId} holds the content of ${snapshotId}`);
} catch (error) {
  console.error(`refused: ${error.code}: ${error.message}`);
  process.exitCode = 1;
}
