// Runs scenarios for the test: each line of standard input names a scenario and the
// URL of a server, and each line of standard output has the outcome.
import { createInterface } from 'node:readline';

export async function run(scenarios) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { scenario, url } = JSON.parse(line);
    const seen = []; // by the app, before the end
    let outcome;
    try {
      outcome = { seen, result: await scenarios[scenario](url, seen) };
    } catch (error) {
      outcome = { seen, error: describe(error) };
    }
    console.log(JSON.stringify(outcome));
  }
}

// The parts of an error that an app can act on. What a parser of JSON says depends on
// the version of Node.js.
function describe(error) {
  const parts = { name: error?.constructor?.name ?? typeof error };
  if (!(error instanceof SyntaxError) && !(error?.cause instanceof SyntaxError)) parts.message = String(error?.message ?? error);
  for (const key of ['status', 'statusCode', 'code', 'type']) {
    if (error?.[key] !== undefined && error[key] !== null) parts[key] = error[key];
  }
  // Whether a reset is told from an end of the connection is a matter of time: libuv takes
  // a reset that comes together with data for an end.
  if (error?.cause && !(error instanceof TypeError)) parts.cause = describe(error.cause);
  return parts;
}
