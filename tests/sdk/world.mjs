// What run.sh made ready: the endpoint, a key, and the ids of disks, snapshots and instances; and the bytes
// on a device.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';

export const world = JSON.parse(fs.readFileSync(process.env.BLKREWIND_SDK_WORLD, 'utf8'));

// {disk.plain} -> its id, in strings, lists and objects.
export function fillIn(value) {
  if (typeof value === 'string')
    return value.replace(/\{([a-z.]+)\}/g, (_, name) => world.values[name]);
  if (Array.isArray(value)) return value.map(fillIn);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item)]));
}

// The bytes on the device, not those that the page cache remembers.
export function readDevice(path) {
  if (path.startsWith('/dev/')) execFileSync('blockdev', ['--flushbufs', path]);
  return fs.readFileSync(path);
}

// Overwrites four stretches of `size` bytes.
export function scribble(path, size) {
  const length = Math.floor(size / 20);
  const file = fs.openSync(path, 'r+');
  for (const where of [0, 0.3, 0.55, 0.95]) {
    fs.writeSync(file, randomBytes(length), 0, length, Math.floor(size * where));
  }
  fs.fsyncSync(file);
  fs.closeSync(file);
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Asks until the answer pleases, 30 seconds at most.
export async function waitFor(what, ask, pleases) {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) {
    const answer = await ask();
    if (pleases(answer)) return answer;
  }
  throw new Error(`${what} did not come in 30 s`);
}
