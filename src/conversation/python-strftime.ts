/**
 * `strftime` of Python in English, as far as chat templates use it. The language of the browser must
 * not show: models were trained on English dates.
 */
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const two = (value: number): string => String(value).padStart(2, '0');

/** `date` in local time by a Python format; a directive it does not know stays as it is. */
export function strftime(date: Date, format: string): string {
  const month = months[date.getMonth()] ?? '';
  const weekday = weekdays[date.getDay()] ?? '';
  const hour12 = date.getHours() % 12 === 0 ? 12 : date.getHours() % 12;
  const directives: Readonly<Record<string, string>> = {
    '%Y': String(date.getFullYear()).padStart(4, '0'),
    '%y': two(date.getFullYear() % 100),
    '%m': two(date.getMonth() + 1),
    '%d': two(date.getDate()),
    '%-d': String(date.getDate()),
    '%B': month,
    '%b': month.slice(0, 3),
    '%A': weekday,
    '%a': weekday.slice(0, 3),
    '%H': two(date.getHours()),
    '%I': two(hour12),
    '%p': date.getHours() < 12 ? 'AM' : 'PM',
    '%M': two(date.getMinutes()),
    '%S': two(date.getSeconds()),
    '%%': '%',
  };
  return format.replace(/%-?[A-Za-z%]/g, (directive) => directives[directive] ?? directive);
}
