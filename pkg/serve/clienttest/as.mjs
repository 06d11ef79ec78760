// The official clients against "ssectl serve --as", which stands in for their services.
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { GoogleGenAI } from '@google/genai';
import { DefaultChatTransport, generateText, readUIMessageStream, streamText } from 'ai';
import OpenAI from 'openai';
import { run } from './run.mjs';

const openai = (url) => new OpenAI({ apiKey: 'sk-test', baseURL: url + '/v1', maxRetries: 1 });
const anthropic = (url) => new Anthropic({ apiKey: 'sk-ant-test', baseURL: url, maxRetries: 1 });
const google = (url) => new GoogleGenAI({ apiKey: 'AIza-test', httpOptions: { baseUrl: url } });
const sample = (url) => createOpenAICompatible({ name: 'sample', apiKey: 'sk-test', baseURL: url + '/v1', includeUsage: true })('m');

const said = 'Harbour tide — 满潮 at 06:40 🌊';
const messages = [{ role: 'user', content: said }];
const port = { type: 'object', properties: { port: { type: 'string' } }, required: ['port'] };

// The parts of a message of the UI.
const parts = (message) => message.parts.map((part) => part.text ?? `${part.type} ${JSON.stringify(part.input) ?? ''} ${part.state ?? ''}`.trim());

async function ui(stream, seen) {
  let failed, last;
  for await (const message of readUIMessageStream({ stream, onError(error) { failed ??= error; } })) {
    last = message;
    seen?.push(parts(message).join(' | '));
  }
  if (failed) throw failed;
  return parts(last);
}

const question = (text) => [{ id: 'u1', role: 'user', parts: [{ type: 'text', text }] }];

// A tool in two turns: the model calls it, and has its result.
async function responsesTools(url, choice) {
  const tools = [{ type: 'function', name: 'tide', parameters: port, strict: true }];
  const input = [{ role: 'user', content: 'call the tide at Wick' }];
  const first = await openai(url).responses.stream({ model: 'm', input, tools, tool_choice: choice }).finalResponse();
  const call = first.output.find((item) => item.type === 'function_call');
  input.push(...first.output, { type: 'function_call_output', call_id: call.call_id, output: `06:40 at ${JSON.parse(call.arguments).port}` });
  return (await openai(url).responses.create({ model: 'm', input, tools })).output_text;
}

async function anthropicTools(url, choice) {
  const tools = [{ name: 'tide', input_schema: port }];
  const turns = [{ role: 'user', content: 'call the tide at Wick' }];
  const first = await anthropic(url).messages.stream({ model: 'm', max_tokens: 100, messages: turns, tools, tool_choice: { type: choice } }).finalMessage();
  const call = first.content.find((block) => block.type === 'tool_use');
  turns.push({ role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: `06:40 at ${call.input.port}` }] });
  const second = await anthropic(url).messages.create({ model: 'm', max_tokens: 100, messages: turns, tools });
  return { kinds: first.content.map((block) => block.type), stop: first.stop_reason, text: second.content[0].text };
}

async function googleTools(url, choice) {
  const config = { tools: [{ functionDeclarations: [{ name: 'tide', parametersJsonSchema: port }] }] };
  const contents = [{ role: 'user', parts: [{ text: 'call the tide at Wick' }] }];
  const first = await google(url).models.generateContent({ model: 'm', contents, config: { ...config, toolConfig: { functionCallingConfig: { mode: choice } } } });
  const [call] = first.functionCalls;
  contents.push(first.candidates[0].content, { role: 'user', parts: [{ functionResponse: { name: call.name, response: { output: `06:40 at ${call.args.port}` } } }] });
  return (await google(url).models.generateContent({ model: 'm', contents, config })).text;
}

await run({
  async 'openai models'(url, seen) {
    for await (const model of openai(url).models.list()) seen.push(model.id);
    return (await openai(url).models.retrieve('any')).id;
  },
  async 'openai chat'(url) {
    const { choices, usage, model } = await openai(url).chat.completions.create({ model: 'm', messages });
    return { choices, model, usage: usage.total_tokens };
  },
  async 'openai chat stream'(url, seen) {
    const stream = openai(url).chat.completions.stream({ model: 'm', messages, stream_options: { include_usage: true } });
    stream.on('content', (delta) => seen.push(delta));
    const { choices, usage } = await stream.finalChatCompletion();
    return { message: choices[0].message.content, finish: choices[0].finish_reason, usage: usage.total_tokens };
  },
  async 'openai chat chunks'(url, seen) {
    const stream = await openai(url).chat.completions.create({ model: 'm', messages, stream: true });
    for await (const chunk of stream) seen.push(chunk.choices[0].delta);
  },
  async 'openai chat tools'(url, seen) {
    const tools = [{ type: 'function', function: { name: 'tide', parameters: port, function: ({ port }) => `06:40 at ${port}`, parse: JSON.parse } }];
    const runner = openai(url).chat.completions.runTools({ model: 'm', messages: [{ role: 'user', content: 'call the tide at Wick' }], tools, stream: true });
    runner.on('functionToolCall', (call) => seen.push(`${call.name} ${call.arguments}`));
    return await runner.finalContent();
  },
  async 'openai chat forced'(url) {
    const tools = [{ type: 'function', function: { name: 'tide', parameters: port } }];
    const turns = [{ role: 'user', content: 'Wick' }];
    const first = await openai(url).chat.completions.stream({ model: 'm', messages: turns, tools, tool_choice: 'required' }).finalMessage();
    const [call] = first.tool_calls;
    turns.push(first, { role: 'tool', tool_call_id: call.id, content: `06:40 at ${JSON.parse(call.function.arguments).port}` });
    return (await openai(url).chat.completions.create({ model: 'm', messages: turns, tools })).choices[0].message.content;
  },
  async 'openai json'(url) {
    const schema = { type: 'object', properties: { name: { type: 'string' }, high: { type: 'boolean' }, hours: { type: 'array', items: { type: 'integer' } } }, required: ['name', 'high', 'hours'], additionalProperties: false };
    const { choices } = await openai(url).chat.completions.parse({ model: 'm', messages, response_format: { type: 'json_schema', json_schema: { name: 'tide', strict: true, schema } } });
    return choices[0].message.parsed;
  },
  async 'openai responses'(url) {
    const { output_text, status, usage } = await openai(url).responses.create({ model: 'm', input: said });
    return { output_text, status, usage: usage.total_tokens };
  },
  async 'openai responses stream'(url, seen) {
    const stream = openai(url).responses.stream({ model: 'm', input: said });
    stream.on('response.output_text.delta', (event) => seen.push(event.delta));
    const { output_text, status } = await stream.finalResponse();
    return { output_text, status };
  },
  'openai responses tools': (url) => responsesTools(url, 'auto'),
  'openai responses forced': (url) => responsesTools(url, 'required'),
  // The rest of an answer, after its reader left in the middle.
  async 'openai responses rest'(url) {
    const client = openai(url);
    let id, last, text = '';
    for await (const event of await client.responses.create({ model: 'm', input: said, stream: true, background: true })) {
      id ??= event.response.id;
      last = event.sequence_number;
      text += event.type === 'response.output_text.delta' ? event.delta : '';
      if (text.length > 10) break;
    }
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: last })) {
      text += event.type === 'response.output_text.delta' ? event.delta : '';
    }
    return { text, status: (await client.responses.retrieve(id)).status };
  },
  async 'openai embeddings'(url) {
    const { data } = await openai(url).embeddings.create({ model: 'm', input: ['a', 'b'], dimensions: 3 });
    return data.map((one) => one.embedding);
  },

  async 'anthropic message'(url) {
    const { content, stop_reason, usage } = await anthropic(url).messages.create({ model: 'm', max_tokens: 100, messages });
    return { content, stop_reason, output: usage.output_tokens };
  },
  async 'anthropic stream'(url, seen) {
    const stream = anthropic(url).messages.stream({ model: 'm', max_tokens: 100, messages });
    stream.on('text', (delta) => seen.push(delta));
    const { content, stop_reason, usage } = await stream.finalMessage();
    return { content, stop_reason, output: usage.output_tokens };
  },
  async 'anthropic limit'(url) {
    return (await anthropic(url).messages.stream({ model: 'm', max_tokens: 2, messages }).finalMessage()).stop_reason;
  },
  'anthropic tools': (url) => anthropicTools(url, 'auto'),
  'anthropic forced': (url) => anthropicTools(url, 'any'),
  async 'anthropic others'(url, seen) {
    for await (const model of anthropic(url).models.list()) seen.push(model.id);
    return await anthropic(url).messages.countTokens({ model: 'm', messages });
  },

  async 'google content'(url) {
    const { text, candidates, usageMetadata } = await google(url).models.generateContent({ model: 'm', contents: said });
    return { text, finish: candidates[0].finishReason, usage: usageMetadata.totalTokenCount };
  },
  async 'google stream'(url, seen) {
    let last;
    for await (const chunk of await google(url).models.generateContentStream({ model: 'm', contents: said })) {
      seen.push(chunk.text);
      last = chunk;
    }
    return { finish: last.candidates[0].finishReason, usage: last.usageMetadata.totalTokenCount };
  },
  'google tools': (url) => googleTools(url, 'AUTO'),
  'google forced': (url) => googleTools(url, 'ANY'),
  async 'google others'(url, seen) {
    const { models } = google(url);
    for await (const model of await models.list()) seen.push(model.name);
    const { embeddings } = await models.embedContent({ model: 'm', contents: 'a', config: { outputDimensionality: 2 } });
    return { count: (await models.countTokens({ model: 'm', contents: said })).totalTokens, embeddings: embeddings.map((one) => one.values) };
  },
  async 'google interaction'(url, seen) {
    const { interactions } = google(url);
    let id, last;
    for await (const event of await interactions.create({ model: 'm', input: said, stream: true })) {
      id ??= event.interaction?.id;
      seen.push(event.event_type + ' ' + (event.delta?.text ?? ''));
      last = event;
    }
    const whole = await interactions.get(id);
    return { end: last.event_type, status: whole.status, text: whole.steps.at(-1).content[0].text };
  },

  async 'vercel text'(url) {
    return (await generateText({ model: sample(url), prompt: said, maxRetries: 1 })).text;
  },
  async 'vercel stream'(url, seen) {
    const answer = streamText({ model: sample(url), prompt: said, maxRetries: 1, onError() {} });
    for await (const part of answer.fullStream) {
      if (part.type === 'text-delta') seen.push(part.text);
      if (part.type === 'finish') return { finish: part.finishReason, usage: part.totalUsage.totalTokens };
      if (part.type === 'error') throw part.error;
    }
  },
  async 'ui chat'(url, seen) {
    const transport = new DefaultChatTransport({ api: url + '/api/chat' });
    return await ui(await transport.sendMessages({ chatId: 'c1', trigger: 'submit-message', messages: question(said) }), seen);
  },
  async 'ui tools'(url) {
    const transport = new DefaultChatTransport({ api: url + '/api/chat' });
    return await ui(await transport.sendMessages({ chatId: 'c3', trigger: 'submit-message', messages: question('call the tide at Wick') }));
  },
  // The stream of a chat that was cut, by another page, and that of one with nothing left.
  async 'ui resume'(url) {
    const transport = new DefaultChatTransport({ api: url + '/api/chat' });
    let cut = false;
    await ui(await transport.sendMessages({ chatId: 'c2', trigger: 'submit-message', messages: question(said) })).catch(() => { cut = true; });
    const again = await transport.reconnectToStream({ chatId: 'c2' });
    const text = await ui(again);
    return { cut, text, left: await transport.reconnectToStream({ chatId: 'c2' }) };
  },
});
