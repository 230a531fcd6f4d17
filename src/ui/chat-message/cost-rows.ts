/** What an answer cost: weights read and time for a token in each way it was computed, and energy. */
import { msg, str } from '@lit/localize';
import { formatBytes, formatMilliseconds, formatNumber } from '../format.ts';
import { precisionText } from '../power-text.ts';
import type { AnswerStatsView } from '../services.ts';

type Stretch = NonNullable<AnswerStatsView['stretches']>[number];

export function costRows({
  stretches = [],
  joules,
}: AnswerStatsView): (readonly [string, string])[] {
  const rows = stretches.map((stretch) => [wayText(stretch), priceText(stretch)] as const);
  if (joules === undefined) return rows;
  const energy = joules < 10 ? formatNumber(joules, 1) : formatNumber(joules);
  return [
    ...rows,
    [
      msg('Energy, estimated', { id: 'stats.energy' }),
      msg(str`about ${energy} J for the whole device`, { id: 'stats.joules' }),
    ],
  ];
}

/** Precision and what computed: "4 bits, 2 threads". */
function wayText({ precision, backend, threads }: Stretch): string {
  const bits = precisionText(precision);
  if (backend === 'webgpu') {
    return msg(str`${bits}, graphics card`, { id: 'stats.wayGpu' });
  }
  return threads === 1
    ? msg(str`${bits}, 1 thread`, { id: 'power.shortOne' })
    : msg(str`${bits}, ${formatNumber(threads)} threads`, { id: 'power.short' });
}

function priceText({ tokens, weightBytesPerToken, milliseconds }: Stretch): string {
  const count = formatNumber(tokens);
  const bytes = formatBytes(weightBytesPerToken);
  const each = milliseconds / Math.max(1, tokens);
  const time = each < 10 ? `${formatNumber(each, 1)} ms` : formatMilliseconds(each);
  return msg(str`${count} tokens, each ${bytes} of weights and ${time}`, { id: 'stats.price' });
}
