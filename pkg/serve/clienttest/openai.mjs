import OpenAI from 'openai';
import { run } from './run.mjs';

// The key is one that must not get on a tape.
const client = (url) => new OpenAI({ apiKey: 'sk-test-0123456789abcdefghijklmnop', baseURL: url + '/v1', maxRetries: 1 });
const messages = [{ role: 'user', content: 'When is high water?' }];

await run({
  async models(url, seen) {
    for await (const model of client(url).models.list()) seen.push(model.id);
  },
  async chat(url) {
    const { data, request_id } = await client(url).chat.completions.create({ model: 'sample-4', messages }).withResponse();
    return { data, request_id };
  },
  async 'chat stream'(url, seen) {
    const stream = client(url).chat.completions.stream({ model: 'sample-4', messages, stream_options: { include_usage: true } });
    stream.on('content', (delta) => seen.push(delta));
    return await stream.finalChatCompletion();
  },
  async 'chat chunks'(url, seen) {
    const stream = await client(url).chat.completions.create({ model: 'sample-4', messages, stream: true });
    for await (const chunk of stream) seen.push(chunk.choices[0]?.delta ?? chunk.usage);
  },
  async 'responses stream'(url, seen) {
    const stream = await client(url).responses.create({ model: 'sample-5', input: 'When is low water?', stream: true });
    for await (const event of stream) seen.push(event.type + ' ' + (event.delta ?? ''));
  },
  async 'responses final'(url, seen) {
    const stream = client(url).responses.stream({ model: 'sample-5', input: 'When is low water?' });
    stream.on('response.output_text.delta', (event) => seen.push(event.delta));
    return await stream.finalResponse();
  },
});
