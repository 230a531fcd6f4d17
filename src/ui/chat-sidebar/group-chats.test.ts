import { describe, expect, it } from 'vitest';
import { groupChats } from './group-chats.ts';

const at = (...date: [number, number, number, number?]) =>
  new Date(...(date as [number, number, number])).getTime();
const now = new Date(2026, 10, 21, 0, 30).getTime();

describe('groupChats', () => {
  it('groups by calendar days of this device, newest first', () => {
    const chats = [
      { id: 'old', title: '', updatedAt: at(2025, 0, 1) },
      { id: 'week', title: '', updatedAt: at(2026, 10, 14) },
      { id: 'today', title: '', updatedAt: new Date(2026, 10, 21, 0, 1).getTime() },
      { id: 'yesterday', title: '', updatedAt: new Date(2026, 10, 20, 23, 59).getTime() },
      { id: 'month', title: '', updatedAt: at(2026, 10, 13) },
      { id: 'future', title: '', updatedAt: now + 1e9 },
    ];
    const groups = groupChats(chats, now).map(({ period, chats: members }) => [
      period,
      members.map(({ id }) => id),
    ]);
    expect(groups).toEqual([
      ['today', ['future', 'today']],
      ['yesterday', ['yesterday']],
      ['week', ['week']],
      ['month', ['month']],
      ['older', ['old']],
    ]);
  });
});
