// docs/examples/reset_disk.mjs as a newcomer runs it: copied into a folder where the packages are installed.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fillIn, readDevice, scribble, world } from './world.mjs';

export async function example(report) {
  console.log('\n== docs/examples/reset_disk.mjs');
  const folder = fs.mkdtempSync(
    path.join(path.dirname(process.env.BLKREWIND_SDK_WORLD), 'example-'),
  );
  fs.symlinkSync(
    path.join(process.env.BLKREWIND_SDK_MODULES, 'node_modules'),
    path.join(folder, 'node_modules'),
  );
  fs.copyFileSync(
    new URL('../../docs/examples/reset_disk.mjs', import.meta.url),
    path.join(folder, 'reset_disk.mjs'),
  );

  // Not spawnSync: while this process sleeps, the server closes connections that it keeps alive, and the
  // next request over one of them would fail.
  async function run(...ids) {
    const options = {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        ...process.env,
        BLKREWIND_ENDPOINT: world.endpoint.replace('http://', ''),
        ALIBABA_CLOUD_ACCESS_KEY_ID: world.key_id,
        ALIBABA_CLOUD_ACCESS_KEY_SECRET: world.key_secret,
      },
    };
    const { status, output } = await new Promise((resolve) => {
      execFile(
        process.execPath,
        ['reset_disk.mjs', ...fillIn(ids)],
        options,
        (error, stdout, stderr) => resolve({ status: error?.code ?? 0, output: stdout + stderr }),
      );
    });
    console.log(
      `  node reset_disk.mjs ${fillIn(ids).join(' ')}\n    -> ${status} ${output.trim()}`,
    );
    return { status, output };
  }

  const device = fillIn('{device.twin}');
  const before = readDevice(device);
  scribble(device, before.length);
  const done = await run('{disk.twin}', '{snapshot.twin}');
  report.check(
    done.status === 0 && readDevice(device).equals(before),
    'the example resets a disk',
    done,
  );
  const refused = await run('{disk.twin}', '{snapshot.other}');
  report.check(
    refused.status === 1 && refused.output.includes('InvalidParameter.Mismatch'),
    'the example shows a refusal',
    refused,
  );
}
