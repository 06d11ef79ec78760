// The clients of protocols, against the services that ssectl stands in for.
import { ClientFactory } from '@a2a-js/sdk/client';
import { HttpAgent } from '@ag-ui/client';
import { Client as LangGraph } from '@langchain/langgraph-sdk';
import { Client as StatelessClient, StreamableHTTPClientTransport as StatelessTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { EventSource } from 'eventsource';
import { createClient } from 'graphql-sse';
import { run } from './run.mjs';

// The client of AG-UI leaves the rejection of a stream that was cut to nobody.
process.on('unhandledRejection', () => {});

const about = { name: 'clienttest', version: '1.0.0' };

// One session of MCP, over any transport. The old one tells its client of progress too late
// where it comes together with the result.
async function talk(client, transport, seen, silent) {
  client.onerror = () => {};
  await client.connect(transport);
  try {
    seen.push((await client.listTools()).tools.map((tool) => tool.name).join(' '));
    seen.push((await client.callTool({ name: 'echo', arguments: { text: '満潮 06:40' } })).content[0].text);
    const call = { name: 'count', arguments: { to: 5 } };
    const options = { onprogress: silent ? undefined : ({ progress, total }) => seen.push(`${progress}/${total}`) };
    const counted = client instanceof Client ? await client.callTool(call, undefined, options) : await client.callTool(call, options);
    return counted.content[0].text;
  } finally {
    await transport.terminateSession?.();
    await client.close();
  }
}

const reconnectionOptions = { initialReconnectionDelay: 10, maxReconnectionDelay: 10, reconnectionDelayGrowFactor: 1, maxRetries: 9 };

function message(text) {
  return { tenant: '', configuration: undefined, metadata: undefined, message: { messageId: 'm1', role: 1, contextId: '', taskId: '',
    parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: '' }], extensions: [], referenceTaskIds: [], metadata: undefined } };
}

// The text of a task of A2A. After a cut, the task is subscribed to again.
async function task(url, seen) {
  const client = await new ClientFactory().createFromUrl(url);
  let text = '', id, state;
  const take = async (stream) => {
    for await (const { payload } of stream) {
      seen.push(payload.$case);
      if (payload.$case === 'task') {
        id = payload.value.id;
        text = payload.value.artifacts[0]?.parts[0].content.value ?? '';
      }
      if (payload.$case === 'artifactUpdate') text += payload.value.artifact.parts[0].content.value;
      if (payload.$case === 'statusUpdate') state = payload.value.status.state;
    }
  };
  try {
    await take(client.sendMessageStream(message('high water at six')));
  } catch {
    await take(client.resubscribeTask({ id, tenant: '' }));
  }
  const whole = await client.getTask({ id, tenant: '', historyLength: undefined });
  return { text, state, artifact: whole.artifacts[0].parts[0].content.value };
}

// The results of one operation, and those of two at once.
async function operations(url, seen, singleConnection) {
  const client = createClient({ url: url + '/graphql', singleConnection, retryAttempts: 0 });
  const ask = async (port) => {
    for await (const result of client.iterate({ query: 'subscription ($port: String) { tide(port: $port) }', variables: { port } })) seen.push(JSON.stringify(result));
  };
  await ask('Wick');
  await Promise.all([ask('Oban'), ask('Oban')]);
  client.dispose();
}

await run({
  'mcp session': (url, seen) => talk(new Client(about), new StreamableHTTPClientTransport(new URL(url + '/mcp'), { reconnectionOptions }), seen),
  'mcp legacy': (url, seen) => talk(new Client(about), new SSEClientTransport(new URL(url + '/sse')), seen, true),
  'mcp stateless': (url, seen) => talk(new StatelessClient(about, { versionNegotiation: { mode: { pin: '2026-07-28' } } }), new StatelessTransport(new URL(url + '/mcp')), seen),
  'mcp auto': (url, seen) => talk(new StatelessClient(about, { versionNegotiation: { mode: 'auto' } }), new StatelessTransport(new URL(url + '/mcp')), seen),
  'a2a task': task,
  async 'a2a message'(url) {
    const client = await new ClientFactory().createFromUrl(url);
    const { status, artifacts } = await client.sendMessage(message('high water'));
    return { state: status.state, text: artifacts[0].parts[0].content.value };
  },
  async 'ag-ui run'(url, seen) {
    const agent = new HttpAgent({ url: url + '/agent', threadId: 't1', initialMessages: [{ id: 'm1', role: 'user', content: 'high water at six' }] });
    const { newMessages } = await agent.runAgent({ runId: 'r1' }, { onEvent: ({ event }) => void seen.push(event.type) });
    return newMessages.map(({ role, content }) => ({ role, content }));
  },
  'graphql distinct': (url, seen) => operations(url, seen, false),
  'graphql single': (url, seen) => operations(url, seen, true),
  async 'langgraph run'(url, seen) {
    const client = new LangGraph({ apiUrl: url });
    const { thread_id } = await client.threads.create();
    for (const content of ['high water at six', 'and low?']) {
      const stream = client.runs.stream(thread_id, 'agent', { input: { messages: [{ role: 'user', content }] }, streamMode: ['messages-tuple', 'values'], streamResumable: true });
      for await (const { event, data } of stream) {
        if (event === 'messages') seen.push(data[0].content);
        if (event === 'values') seen.push(data.messages.length);
      }
    }
    return (await client.threads.getState(thread_id)).values.messages.map(({ type, content }) => `${type}: ${content}`);
  },
  async 'mercure updates'(url, seen) {
    const hub = new URL(url + '/.well-known/mercure');
    const publish = (data) => fetch(hub, { method: 'POST', body: new URLSearchParams({ topic: 'https://example.test/berths/4', data, type: 'berth', retry: '10' }) });
    hub.searchParams.append('topic', 'https://example.test/berths/{id}');
    const source = new EventSource(hub);
    await new Promise((resolve) => source.addEventListener('open', resolve, { once: true }));
    await new Promise(async (resolve) => {
      source.addEventListener('berth', ({ data }) => {
        seen.push(data);
        if (data === '5') resolve();
      });
      for (const data of '12345') await publish(data);
    });
    source.close();
  },
});
