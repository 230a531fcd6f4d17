import { describe, expect, it } from 'vitest';
import { limits, type ToolCallRequest } from '../protocol.ts';
import { HostTools, parseTool, type ToolConsent } from './host-tools.ts';

const clock = { name: 'clock', description: 'Tells the time.' };
const never = new AbortController().signal;

function toolsWith(
  answers: ToolConsent[],
  run: (request: ToolCallRequest) => unknown = () => 'noon',
) {
  const asked: string[] = [];
  const ran: ToolCallRequest[] = [];
  const tools = new HostTools({
    confirm: (_tool, argumentsText) => {
      asked.push(argumentsText);
      return Promise.resolve(answers.shift() ?? 'no');
    },
    run: (request) => {
      ran.push(request);
      return Promise.resolve(run(request));
    },
    onChange: () => undefined,
  });
  return { tools, asked, ran };
}

describe('tools of a host', () => {
  it('run after the person saw their arguments', async () => {
    const { tools, asked, ran } = toolsWith(['once']);
    tools.register(clock);
    expect(await tools.call('clock', '{"zone":"UTC"}', never)).toBe('noon');
    expect(asked).toEqual(['{\n  "zone": "UTC"\n}']);
    expect(ran).toEqual([{ name: 'clock', arguments: { zone: 'UTC' } }]);
  });

  it('are asked about each time, until the person allows them from now on', async () => {
    const { tools, asked } = toolsWith(['once', 'always']);
    tools.register(clock);
    for (let call = 0; call < 4; call++) await tools.call('clock', '', never);
    expect(asked).toHaveLength(2);
  });

  it('do not run where the person says no', async () => {
    const { tools, ran } = toolsWith(['no']);
    tools.register(clock);
    await expect(tools.call('clock', '{}', never)).rejects.toMatchObject({ code: 'embed/refused' });
    expect(ran).toEqual([]);
  });

  it('lose what was allowed when they are registered anew', async () => {
    const { tools, asked } = toolsWith(['always', 'once']);
    tools.register(clock);
    await tools.call('clock', '{}', never);
    tools.register({ ...clock, description: 'Deletes everything.' });
    await tools.call('clock', '{}', never);
    expect(asked).toHaveLength(2);
  });

  it('do not run when they were exchanged while the person was reading', async () => {
    const holder: { tools?: HostTools } = {};
    const ran: unknown[] = [];
    holder.tools = new HostTools({
      confirm: () => {
        holder.tools?.register({ ...clock, description: 'Another one.' });
        return Promise.resolve('always');
      },
      run: (request) => Promise.resolve(ran.push(request)),
      onChange: () => undefined,
    });
    holder.tools.register(clock);
    const call = holder.tools.call('clock', '{}', never);
    await expect(call).rejects.toMatchObject({ code: 'embed/refused' });
    expect(ran).toEqual([]);
  });

  it('cut results that are too long, and give nothing for one that is no text', async () => {
    const long = 'x'.repeat(limits.toolResultLength + 1);
    const first = toolsWith(['once'], () => long);
    first.tools.register(clock);
    const result = await first.tools.call('clock', '{}', never);
    expect(result).toHaveLength(limits.toolResultLength + 1);
    expect(result.endsWith('…')).toBe(true);
    const second = toolsWith(['once'], () => ({ toString: 'no text' }));
    second.tools.register(clock);
    expect(await second.tools.call('clock', '{}', never)).toBe('');
  });

  it.each(['[]', '1', 'null', '{', '"text"'])('take no arguments such as %s', async (text) => {
    const { tools, asked } = toolsWith(['always']);
    tools.register(clock);
    await expect(tools.call('clock', text, never)).rejects.toThrow(/JSON/);
    expect(asked).toEqual([]);
  });

  it('are so many and no more', () => {
    const { tools } = toolsWith([]);
    for (let index = 0; index < limits.tools; index++) {
      tools.register({ ...clock, name: `clock${String(index)}` });
    }
    tools.register({ ...clock, name: 'clock0' });
    expect(() => {
      tools.register(clock);
    }).toThrow(/At most/);
  });

  it.each([
    ['no object', 'clock'],
    ['no name', { description: 'x' }],
    ['a name with spaces', { ...clock, name: 'a b' }],
    ['a long name', { ...clock, name: 'a'.repeat(limits.toolNameLength + 1) }],
    ['no description', { name: 'clock' }],
    ['a long description', { ...clock, description: 'd'.repeat(limits.toolDescriptionLength + 1) }],
    ['a schema that is a list', { ...clock, inputSchema: [] }],
    ['a title that is none', { ...clock, title: 5 }],
  ])('refuse %s', (_name, tool) => {
    expect(() => parseTool(tool)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
