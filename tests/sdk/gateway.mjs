// What is refused before an action is looked at: keys, signatures, clocks, nonces.
import { randomUUID } from 'node:crypto';
import { judge, mark, printHead } from './errors.mjs';
import { world } from './world.mjs';

const minutesFromNow = (minutes) =>
  new Date(Date.now() + minutes * 60_000).toISOString().replace(/\.\d+/, '');

const cases = [
  {
    code: 'InvalidAccessKeyId.NotFound',
    status: 404,
    message: 'Specified access key is not found.',
    change: () => ({ keyId: 'unknown' }),
  },
  {
    code: 'SignatureDoesNotMatch',
    status: 400,
    prefix: true,
    message: 'Specified signature is not matched with our calculation. server string to sign is:',
    change: () => ({ keySecret: 'wrong' }),
  },
  {
    code: 'InvalidTimeStamp.Format',
    status: 400,
    message: 'Specified time stamp or date value is not well formatted.',
    change: () => ({ timestamp: '2026-01-01 00:00:00' }),
  },
  {
    code: 'InvalidTimeStamp.Expired',
    status: 400,
    message: 'Specified time stamp or date value is expired.',
    change: () => ({ timestamp: minutesFromNow(-16) }),
  },
  {
    code: 'InvalidTimeStamp.Expired',
    status: 400,
    message: 'Specified time stamp or date value is expired.',
    change: () => ({ timestamp: minutesFromNow(16) }),
  },
  {
    code: 'SignatureNonceUsed',
    status: 400,
    message: 'Specified signature nonce was used already.',
    twice: true,
    change: () => ({ nonce: randomUUID() }),
  },
  {
    code: 'InvalidVersion',
    status: 400,
    message: 'Specified parameter Version is not valid.',
    change: () => ({ version: '2012-12-12' }),
  },
];

export async function gateway(clients, report) {
  printHead('What the gateway refuses', clients);
  for (const wanted of cases) {
    let marks = '';
    for (const client of clients) {
      const change = wanted.change();
      const ask = () => client.refusal('DescribeDisks', { RegionId: world.region }, change);
      // The first of two is no refusal.
      if (wanted.twice) await client.call('DescribeDisks', { RegionId: world.region }, change);
      marks += mark(judge(client, { action: 'DescribeDisks', ...wanted }, await ask(), report));
    }
    console.log(`  ${marks}  ${wanted.status} ${wanted.code}`);
  }
}
