// Every refusal of errors.json by every client: code, status, and message to the letter.
import fs from 'node:fs';
import { fillIn } from './world.mjs';

const table = JSON.parse(fs.readFileSync(new URL('errors.json', import.meta.url), 'utf8'));

export async function errors(clients, report) {
  printHead('Every refusal', clients);
  for (const wanted of table.cases) {
    let marks = '';
    for (const client of clients) {
      if (client.typed && !client.knows(wanted.action)) {
        marks += '  '; // a typed SDK has no method for an action that does not exist
        continue;
      }
      const got = await client.refusal(wanted.action, fillIn(wanted.parameters));
      marks += mark(judge(client, wanted, got, report));
    }
    console.log(`  ${marks}  ${wanted.status} ${wanted.code.padEnd(42)} ${wanted.action}`);
  }
}

export const mark = (good) => (good ? '+ ' : '- ');

export function printHead(title, clients) {
  console.log(`\n== ${title}: code, status and message as each client shows them`);
  clients.forEach((client, column) => console.log(`  ${'| '.repeat(column)}${client.name}`));
}

export function judge(client, wanted, got, report) {
  const what = `${client.name}: ${wanted.action} -> ${wanted.code}`;
  const sameMessage = wanted.prefix
    ? got.message?.startsWith(wanted.message)
    : got.message === (wanted.message ?? got.message);
  const good = report.check(
    got.code === wanted.code && got.status === wanted.status && got.message && sameMessage,
    what,
    got,
  );
  return report.checkRequestId(got.requestId, what) && good;
}
