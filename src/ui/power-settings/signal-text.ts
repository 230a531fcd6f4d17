/** The words for what a device tells of itself. */
import { msg, str } from '@lit/localize';
import { formatBytes, formatDuration, formatNumber, formatPercent } from '../format.ts';
import type { PowerSignalsView, SignalView } from '../services.ts';

export interface SignalRow {
  readonly name: string;
  /** Null where it is missing. */
  readonly value: string | null;
  /** Where it comes from and how old it is, or why it is missing. */
  readonly from: string;
}

/** @param ownPressure whether the pressure is Hermit's own work */
export function signalRows(
  signals: PowerSignalsView,
  ownPressure: boolean,
  now: number,
): readonly SignalRow[] {
  const row = <T>(name: string, signal: SignalView<T>, text: (value: T) => string): SignalRow =>
    signal.kind === 'missing'
      ? { name, value: null, from: `${missingText(signal.reason)} · ${signal.source}` }
      : { name, value: text(signal.value), from: fromText(signal, now) };
  return [
    row(msg('Battery', { id: 'signal.battery' }), signals.battery, batteryText),
    row(msg('Pressure on the processor', { id: 'signal.pressure' }), signals.pressure, (level) =>
      ownPressure
        ? msg(str`${pressureText(level)}, from Hermit itself`, { id: 'signal.own' })
        : pressureText(level),
    ),
    row(msg('Speed of words', { id: 'signal.speed' }), signals.speed, (ratio) =>
      msg(str`${formatPercent(ratio)} of the usual`, { id: 'signal.speedValue' }),
    ),
    row(msg('This page', { id: 'signal.page' }), signals.page, pageText),
    row(msg('Wish to save', { id: 'signal.saving' }), signals.saving, savingText),
    row(msg('Memory of models', { id: 'signal.memory' }), signals.memory, (need) =>
      msg(str`${formatBytes(need.neededBytes)} of ${formatBytes(need.budgetBytes)}`, {
        id: 'model.amount',
      }),
    ),
    row(
      msg('Memory of the device', { id: 'signal.deviceMemory' }),
      signals.deviceMemory,
      (gibibytes) =>
        msg(str`about ${formatNumber(gibibytes)} GiB, as the browser says`, {
          id: 'signal.deviceMemoryValue',
        }),
    ),
  ];
}

/** With the kind of connection as the browser names it, where it does. */
function savingText({
  saving,
  connection,
}: {
  saving: boolean;
  connection: string | null;
}): string {
  const wish = saving ? msg('yes', { id: 'common.yes' }) : msg('no', { id: 'common.no' });
  return connection === null
    ? wish
    : msg(str`${wish}; connection: ${connection}`, { id: 'signal.connection' });
}

function batteryText({ level, charging }: { level: number; charging: boolean }): string {
  const percent = formatPercent(level);
  return charging
    ? msg(str`${percent}, charging or plugged in`, { id: 'signal.charging' })
    : msg(str`${percent}, discharging`, { id: 'signal.discharging' });
}

function pressureText(level: 'nominal' | 'fair' | 'serious' | 'critical'): string {
  return {
    nominal: msg('none', { id: 'signal.nominal' }),
    fair: msg('some', { id: 'signal.fair' }),
    serious: msg('serious', { id: 'signal.serious' }),
    critical: msg('critical', { id: 'signal.critical' }),
  }[level];
}

function pageText(state: 'visible' | 'hidden' | 'frozen'): string {
  return {
    visible: msg('visible', { id: 'signal.visible' }),
    hidden: msg('in the background', { id: 'signal.hidden' }),
    frozen: msg('frozen by the browser', { id: 'signal.frozen' }),
  }[state];
}

function missingText(reason: Extract<SignalView<unknown>, { kind: 'missing' }>['reason']): string {
  return {
    'not-supported': msg('not told by this browser', { id: 'signal.notSupported' }),
    refused: msg('not allowed here', { id: 'signal.refused' }),
    waiting: msg('not known yet', { id: 'signal.waiting' }),
    failed: msg('could not be read', { id: 'signal.failed' }),
  }[reason];
}

function fromText(
  { source, at, confidence }: Extract<SignalView<unknown>, { kind: 'known' }>,
  now: number,
): string {
  const trust = {
    measured: msg('measured', { id: 'signal.measured' }),
    reported: msg('told by the browser', { id: 'signal.reported' }),
    guessed: msg('rounded by the browser', { id: 'signal.guessed' }),
  }[confidence];
  const age = msg(str`${formatDuration(Math.max(0, now - at) / 1000)} ago`, { id: 'signal.age' });
  return `${source} · ${trust} · ${age}`;
}
