import type { ChatSummaryView } from '../services.ts';

export type ChatPeriod = 'today' | 'yesterday' | 'week' | 'month' | 'older';

export interface ChatGroup {
  readonly period: ChatPeriod;
  readonly chats: readonly ChatSummaryView[];
}

const dayMs = 24 * 60 * 60 * 1000;

/** Midnight at the start of the day `time` lies in, by the device's clock and zone. */
function startOfDay(time: number): number {
  const date = new Date(time);
  date.setHours(0, 0, 0, 0);
  return date.getTime();
}

function periodOf(time: number, now: number): ChatPeriod {
  // Rounded, because days are 23 or 25 hours long where clocks change.
  const days = Math.round((startOfDay(now) - startOfDay(time)) / dayMs);
  if (days <= 0) return 'today';
  if (days === 1) return 'yesterday';
  if (days <= 7) return 'week';
  return days <= 30 ? 'month' : 'older';
}

/** Chats by how long ago they changed, newest first; periods without chats are left out. */
export function groupChats(chats: readonly ChatSummaryView[], now: number): ChatGroup[] {
  const groups = new Map<ChatPeriod, ChatSummaryView[]>();
  for (const chat of chats.toSorted((a, b) => b.updatedAt - a.updatedAt)) {
    const period = periodOf(chat.updatedAt, now);
    const group = groups.get(period);
    if (group === undefined) groups.set(period, [chat]);
    else group.push(chat);
  }
  return [...groups].map(([period, members]) => ({ period, chats: members }));
}
