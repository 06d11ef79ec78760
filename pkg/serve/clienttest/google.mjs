import { GoogleGenAI } from '@google/genai';
import { run } from './run.mjs';

const client = (url) => new GoogleGenAI({ apiKey: 'AIzaSyA0123456789abcdefghijklmnopqrstuvw', httpOptions: { baseUrl: url } });
const question = { model: 'sample-flash', contents: 'When is the spring tide?' };

await run({
  async content(url) {
    const answer = await client(url).models.generateContent(question);
    return { text: answer.text, finish: answer.candidates[0].finishReason, usage: answer.usageMetadata };
  },
  async 'content stream'(url, seen) {
    let last;
    for await (const chunk of await client(url).models.generateContentStream(question)) {
      seen.push(chunk.text);
      last = chunk;
    }
    return { finish: last.candidates[0].finishReason, usage: last.usageMetadata };
  },
});
