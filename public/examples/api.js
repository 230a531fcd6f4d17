import '/embed.js';
import './source.js';

const by = (id) => document.getElementById(id);
const answer = by('answer');
const status = by('status');

// The same object as `globalThis.hermit` in Hermit itself.
const hermit = await document.querySelector('hermit-chat').connect();
let running = null;

async function run(work) {
  running?.abort();
  const controller = (running = new AbortController());
  by('stop').disabled = false;
  answer.textContent = '';
  try {
    await work(controller.signal);
  } catch (error) {
    // Every failure has a code: the visitor said no, there is no model, it was stopped …
    if (error.code !== 'aborted') status.textContent = `${error.code}: ${error.message}`;
  }
  by('stop').disabled = true;
}

by('ask').onclick = () =>
  run(async (signal) => {
    const messages = [{ role: 'user', content: by('question').value }];
    const stream = await hermit.chat.completions.create(
      { messages, stream: true, max_tokens: 128, stream_options: { include_usage: true } },
      { signal },
    );
    for await (const { choices, usage } of stream) {
      answer.append(choices[0]?.delta.content ?? '');
      if (usage) status.textContent = `${usage.completion_tokens} tokens, computed on this device.`;
    }
  });

by('schema').onclick = () =>
  run(async (signal) => {
    const schema = {
      type: 'object',
      properties: {
        mood: { enum: ['calm', 'curious', 'stormy'] },
        private: { type: 'boolean' },
      },
      required: ['mood', 'private'],
      additionalProperties: false,
    };
    const { choices } = await hermit.chat.completions.create(
      {
        messages: [{ role: 'user', content: by('question').value }],
        response_format: { type: 'json_schema', json_schema: { name: 'mood', schema } },
        max_tokens: 64,
      },
      { signal },
    );
    // Held to the schema while it is written, whatever the model.
    answer.textContent = JSON.stringify(JSON.parse(choices[0].message.content), null, 2);
    status.textContent = 'An answer in the shape that was asked for.';
  });

by('stop').onclick = () => running?.abort();

for (const name of ['ask', 'schema']) by(name).disabled = false;
