// An app that knows no URL: its clients have theirs from the variables that "ssectl
// serve -- COMMAND" sets. It ends with the status of its argument.
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { GoogleGenAI } from '@google/genai';
import { generateText } from 'ai';
import { EventSource } from 'eventsource';
import OpenAI from 'openai';

const prompt = 'When is high water?';
const messages = [{ role: 'user', content: prompt }];
const outcome = {};

outcome.openai = (await new OpenAI().chat.completions.stream({ model: 'sample-4', messages }).finalChatCompletion()).choices[0].message.content;

outcome.anthropic = (await new Anthropic().messages.stream({ model: 'sample-sonnet', max_tokens: 100, messages }).finalMessage()).stop_reason;

outcome.google = '';
for await (const chunk of await new GoogleGenAI({}).models.generateContentStream({ model: 'sample-flash', contents: prompt })) outcome.google += chunk.text;

// The libraries without a variable of their own take the URL in code.
const sample = createOpenAICompatible({ name: 'sample', baseURL: process.env.SSECTL_URL + '/plain/v1' });
outcome.vercel = (await generateText({ model: sample('sample-4'), prompt })).text;

outcome.eventsource = await new Promise((resolve) => {
  const source = new EventSource(process.env.SSECTL_URL + '/feed');
  source.onmessage = (event) => {
    source.close();
    resolve(event.data);
  };
});

console.log(JSON.stringify(outcome));
process.exitCode = Number(process.argv[2]);
