import Anthropic from '@anthropic-ai/sdk';
import { run } from './run.mjs';

const client = (url) => new Anthropic({ apiKey: 'sk-ant-api03-0123456789abcdefghijklmnop', baseURL: url, maxRetries: 1 });
const question = { model: 'sample-sonnet', max_tokens: 100, messages: [{ role: 'user', content: 'When is high water?' }] };

await run({
  async message(url) {
    return await client(url).messages.create(question);
  },
  async 'message stream'(url, seen) {
    const stream = client(url).messages.stream(question);
    stream.on('text', (delta) => seen.push(delta));
    stream.on('thinking', (delta) => seen.push('thinking: ' + delta));
    stream.on('inputJson', (delta) => seen.push('json: ' + delta));
    return await stream.finalMessage();
  },
  async 'message events'(url, seen) {
    const stream = await client(url).messages.create({ ...question, stream: true });
    for await (const event of stream) seen.push(event);
  },
});
