import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { DefaultChatTransport, readUIMessageStream, streamText } from 'ai';
import { run } from './run.mjs';

const model = (url) => createOpenAICompatible({ name: 'sample', apiKey: 'sk-test-0123456789abcdefghijklmnop', baseURL: url + '/v1', includeUsage: true })('sample-4');
const question = [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'When is high water?' }] }];

await run({
  async 'text stream'(url, seen) {
    // The promises of an answer do not show how it ended, but its parts do.
    const answer = streamText({ model: model(url), prompt: 'When is high water?', maxRetries: 1, onError() {} });
    for await (const part of answer.fullStream) {
      switch (part.type) {
        case 'text-delta':
          seen.push(part.text);
          break;
        case 'finish':
          return { finish: part.finishReason, usage: part.totalUsage.totalTokens };
        case 'error':
          throw part.error;
      }
    }
  },
  async 'message stream'(url, seen) {
    const transport = new DefaultChatTransport({ api: url + '/api/chat' });
    const stream = await transport.sendMessages({ chatId: 'c1', trigger: 'submit-message', messages: question });
    let failed, last;
    for await (const message of readUIMessageStream({ stream, onError(error) { failed ??= error; } })) {
      last = structuredClone(message);
      seen.push(message.parts.map((part) => part.text ?? part.type + ' ' + part.state).join(' | '));
    }
    if (failed) throw failed;
    return last;
  },
});
