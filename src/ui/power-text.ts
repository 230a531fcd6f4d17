/** The words for how a model computes and why. */
import { msg, str } from '@lit/localize';
import { formatBytes, formatMilliseconds, formatNumber } from './format.ts';
import type { PowerPlanView, PowerReasonView, PowerView } from './services.ts';

/** Bits read of each weight, for example "4 bits". */
export function precisionText(precision: PowerPlanView['precision']): string {
  switch (precision) {
    case 8:
      return msg('8 bits', { id: 'settings.precision8' });
    case 4:
      return msg('4 bits', { id: 'settings.precision4' });
    case 'mixed':
      return msg('4 bits, 8 where it matters', { id: 'power.mixed' });
  }
}

export function threadsText(threads: PowerPlanView['threads'], most: number): string {
  return threads === 'auto'
    ? msg(str`as many as help, up to ${formatNumber(most)}`, { id: 'power.threadsAuto' })
    : msg(str`${formatNumber(Math.min(threads, most))} of ${formatNumber(most)}`, {
        id: 'power.threadsOf',
      });
}

/** Whether the plan is less than all the model has. */
export function isReduced({ plan, onePrecision }: PowerView): boolean {
  const exact = plan.precision === 8 || onePrecision;
  return (
    !exact ||
    plan.threads !== 'auto' ||
    plan.pauseMs > 0 ||
    plan.contextTokens !== 'unchanged' ||
    plan.kvType !== 'unchanged'
  );
}

/** One sentence a reason, with its numbers. */
export function reasonText(reason: PowerReasonView): string {
  switch (reason.code) {
    case 'mode-saver':
      return msg('Saver mode: as little energy as gives good answers.', { id: 'why.saver' });
    case 'mode-performance':
      return msg('Performance mode: neither battery nor background count.', {
        id: 'why.performance',
      });
    case 'mode-manual':
      return msg('Manual mode: only what you chose counts.', { id: 'why.manual' });
    case 'hidden':
      return msg('The page is in the background: one thread finishes the answer.', {
        id: 'why.hidden',
      });
    case 'one-precision':
      return msg('The file of this model has one precision alone.', { id: 'why.onePrecision' });
    case 'gpu-instead':
      return msg('The graphics card computes, so that the processor can cool down.', {
        id: 'why.gpuInstead',
      });
    case 'memory-kv':
      return msg('What the model remembers of the conversation is kept in 8 bits instead of 16.', {
        id: 'why.memoryKv',
      });
    case 'loaded-in-4':
      return msg(
        'Loaded with 4 bits of each weight: with all of them the model does not fit into the memory here.',
        { id: 'why.loadedIn4' },
      );
    case 'chosen-precision':
      return msg(str`You chose ${formatNumber(reason.precision)} bits in the settings.`, {
        id: 'why.chosenPrecision',
      });
    case 'chosen-threads':
      return msg(str`You chose this number of threads at most: ${formatNumber(reason.threads)}.`, {
        id: 'why.chosenThreads',
      });
    case 'battery-low':
      return batteryText(reason);
    case 'pressure':
      return pressureText(reason);
    case 'slowdown':
      return slowdownText(reason);
    case 'memory':
      return msg(
        str`Models need ${formatBytes(reason.neededBytes)} of ${formatBytes(reason.budgetBytes)} memory: the finer half of the weights was given up.`,
        { id: 'why.memory' },
      );
    case 'memory-refused':
      return msg(
        str`Models need ${formatBytes(reason.neededBytes)} and ${formatBytes(reason.budgetBytes)} are to be had: too little for a conversation.`,
        { id: 'why.memoryRefused' },
      );
    case 'memory-context':
      return msg(
        str`Memory suffices for a conversation of ${formatNumber(reason.tokens)} tokens.`,
        { id: 'why.memoryContext' },
      );
    case 'settling':
      return msg(
        str`It has just changed; it changes back in ${formatNumber(reason.seconds)} s at the latest, so that it does not flicker.`,
        { id: 'why.settling' },
      );
  }
}

type ReasonOf<C extends PowerReasonView['code']> = Extract<PowerReasonView, { code: C }>;

function batteryText({ percent, below, above, saving }: ReasonOf<'battery-low'>): string {
  const numbers = [percent, below, above].map((number) => formatNumber(number));
  const [at = '', low = '', high = ''] = numbers;
  return saving
    ? msg(
        str`Battery at ${at}%, and the browser was asked to save: 4 bits below ${low}%, 8 again above ${high}% or when charging.`,
        { id: 'why.batterySaving' },
      )
    : msg(str`Battery at ${at}%: 4 bits below ${low}%, 8 again above ${high}% or when charging.`, {
        id: 'why.battery',
      });
}

function pressureText({ level, calmSeconds, over }: ReasonOf<'pressure'>): string {
  const seconds = formatNumber(calmSeconds);
  if (over) {
    return msg(
      str`The pressure on the processor has eased: all threads again after ${seconds} s more of calm.`,
      {
        id: 'why.pressureOver',
      },
    );
  }
  return level === 'critical'
    ? msg(
        str`The processor is under critical pressure, from heat or other work. Back after ${seconds} s of calm.`,
        {
          id: 'why.pressureCritical',
        },
      )
    : msg(
        str`The processor is under serious pressure, from heat or other work. Back after ${seconds} s of calm.`,
        {
          id: 'why.pressureSerious',
        },
      );
}

function slowdownText({ percent, calmSeconds }: ReasonOf<'slowdown'>): string {
  const seconds = formatNumber(calmSeconds);
  return percent === null
    ? msg(
        str`Words came much slower than usual, probably from heat. Trying again in ${seconds} s.`,
        {
          id: 'why.slowdownOver',
        },
      )
    : msg(
        str`Words come at ${formatNumber(percent)}% of the usual speed, probably from heat. Back after ${seconds} s of calm.`,
        { id: 'why.slowdown' },
      );
}

/** What changed between two plans, for example "8 bits → 4 bits". */
export function changeTexts(from: PowerPlanView, to: PowerPlanView, most: number): string[] {
  const texts: string[] = [];
  const arrow = (before: string, after: string): string => `${before} → ${after}`;
  if (from.precision !== to.precision) {
    texts.push(arrow(precisionText(from.precision), precisionText(to.precision)));
  }
  if (from.threads !== to.threads) {
    const count = (threads: PowerPlanView['threads']): string =>
      formatNumber(threads === 'auto' ? most : Math.min(threads, most));
    const threads = msg('Threads', { id: 'power.threads' });
    texts.push(`${threads} ${arrow(count(from.threads), count(to.threads))}`);
  }
  if (from.pauseMs !== to.pauseMs) {
    const pause = msg('Pause after each token', { id: 'power.pause' });
    texts.push(
      `${pause} ${arrow(formatMilliseconds(from.pauseMs), formatMilliseconds(to.pauseMs))}`,
    );
  }
  const [before, after] = [from.backend.decode, to.backend.decode];
  if (before !== after) {
    texts.push(
      {
        auto: msg('Computed again where it was loaded', { id: 'power.backendAuto' }),
        wasm: msg('Computed by the processor', { id: 'power.backendWasm' }),
        webgpu: msg('Computed by the graphics card', { id: 'power.backendWebgpu' }),
      }[after],
    );
  }
  if (from.kvType !== to.kvType) {
    texts.push(
      to.kvType === 'q8'
        ? msg('Conversation kept in 8 bits', { id: 'power.kvSmall' })
        : msg('Conversation kept in 16 bits again', { id: 'power.kvWhole' }),
    );
  }
  if (from.speculation !== to.speculation) {
    texts.push(
      to.speculation === 'off'
        ? msg('No words computed ahead', { id: 'power.speculationOff' })
        : msg('Words computed ahead again', { id: 'power.speculationOn' }),
    );
  }
  if (from.batchTokens !== to.batchTokens) {
    texts.push(
      to.batchTokens === 'auto'
        ? msg('Whole steps of reading again', { id: 'power.batchWhole' })
        : msg(str`Reads ${formatNumber(to.batchTokens)} tokens a step`, { id: 'power.batch' }),
    );
  }
  if (from.lowPlanes !== to.lowPlanes) {
    texts.push(
      to.lowPlanes === 'drop'
        ? msg('Finer half of the weights given up', { id: 'power.dropped' })
        : msg('Finer half of the weights read back', { id: 'power.restored' }),
    );
  }
  if (from.contextTokens !== to.contextTokens) {
    const { contextTokens } = to;
    texts.push(
      contextTokens === 'unchanged'
        ? msg('Whole length of conversations again', { id: 'power.contextWhole' })
        : msg(str`Conversations of ${formatNumber(contextTokens)} tokens at most`, {
            id: 'power.contextShort',
          }),
    );
  }
  return texts;
}
