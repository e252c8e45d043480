// The published SDKs against `blkrewind serve`; run by run.sh. Prints what each of them sees.
import { example } from './example.mjs';
import { actions } from './actions.mjs';
import { allClients } from './clients.mjs';
import { errors } from './errors.mjs';
import { gateway } from './gateway.mjs';
import { Report } from './report.mjs';
import { story } from './story.mjs';

const report = new Report();
const clients = allClients();
try {
  for (const client of clients.filter((each) => each.format === 'JSON')) {
    await story(client, report);
    await actions(client, report);
  }
  await example(report);
  await errors(clients, report);
  await gateway(clients, report);
} catch (error) {
  report.check(false, 'the run came to its end', error.stack);
}
process.exitCode = report.close();
