import { EventSource } from 'eventsource';
import { run } from './run.mjs';

// All events until the server has no more, which it says with a 204. How often the
// connection broke before is a matter of time.
function feed(url, seen) {
  return new Promise((resolve) => {
    const source = new EventSource(url + '/feed');
    const see = (event) => seen.push(`${event.type} ${event.lastEventId} ${event.data}`);
    source.addEventListener('message', see);
    source.addEventListener('tide', see);
    source.addEventListener('error', (event) => {
      if (source.readyState === EventSource.CLOSED) resolve(`closed: ${event.code} ${event.message}`);
    });
  });
}

await run({ feed });
