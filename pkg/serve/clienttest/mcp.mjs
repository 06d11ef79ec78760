import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { run } from './run.mjs';

// A session of one tool call. Its answer may break off and be resumed: how often is a
// matter of time, so it is not seen.
async function session(url, seen, options) {
  const client = new Client({ name: 'clienttest', version: '1.0.0' });
  client.onerror = () => {};
  await client.connect(new StreamableHTTPClientTransport(new URL(url + '/mcp'), {
    reconnectionOptions: { initialReconnectionDelay: 10, maxReconnectionDelay: 10, reconnectionDelayGrowFactor: 1, maxRetries: 2 },
  }));
  try {
    seen.push(client.getServerVersion().name);
    const { tools } = await client.listTools();
    seen.push(tools.map((tool) => tool.name).join(' '));
    const onprogress = ({ progress, message }) => seen.push(`progress ${progress} ${message ?? ''}`);
    return await client.callTool({ name: 'tide', arguments: { port: 'Wick' } }, undefined, { onprogress, ...options });
  } finally {
    await client.close();
  }
}

await run({ session });
