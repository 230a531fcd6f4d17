/**
 * The faults that Hermit is to survive. Each has a test of its name in this folder; one that cannot
 * be brought about says why instead and never counts as survived.
 */
export interface Fault {
  readonly id: string;
  readonly name: string;
  /** Why there is no test. */
  readonly notRun?: string;
}

export const faults: readonly Fault[] = [
  { id: 'F01', name: 'no more room in the middle of a download' },
  { id: 'F02', name: 'disk full when the databases are opened' },
  { id: 'F03', name: 'browser killed while a block is written' },
  { id: 'F04', name: 'browser killed between the bytes of a block and its entry' },
  { id: 'F05', name: 'browser killed between the last block and ready' },
  { id: 'F06', name: 'tab closed in the middle of a download' },
  { id: 'F07', name: 'one byte flipped on disk' },
  { id: 'F08', name: 'file of a block cut short' },
  { id: 'F09', name: 'file of a block deleted' },
  { id: 'F10', name: 'files of the databases overwritten with garbage' },
  { id: 'F11', name: 'folder of the databases removed' },
  { id: 'F12', name: 'site data cleared while Hermit is open' },
  { id: 'F13', name: 'connection to the database lost' },
  { id: 'F14', name: 'two tabs download the same model' },
  { id: 'F15', name: 'the tab that downloads crashes' },
  { id: 'F16', name: 'a model deleted while another tab uses it' },
  { id: 'F17', name: 'newer database wanted while an old tab is open' },
  { id: 'F18', name: 'storage denied' },
  { id: 'F19', name: 'server without ranges' },
  { id: 'F20', name: 'server sends another range, or less than it promised' },
  { id: 'F21', name: 'file changed on the server in the middle of a download' },
  { id: 'F22', name: 'body cut short, without a length' },
  { id: 'F23', name: 'compressed body cut short, with a length that fits' },
  { id: 'F24', name: 'web page instead of a model' },
  { id: 'F25', name: 'server busy, broken, and breaking connections' },
  { id: 'F26', name: 'signed address expired' },
  { id: 'F27', name: 'server falls silent' },
  { id: 'F28', name: 'offline in the middle of a download' },
  { id: 'F29', name: 'wrong checksum at the end' },
  { id: 'F30', name: 'local file changed while it is imported' },
  { id: 'F71', name: 'memory cannot grow' },
  { id: 'F72', name: 'engine throws, rejects, closes or loops' },
  { id: 'F73', name: 'engine runs out of heap' },
  { id: 'F74', name: 'tab crashes in the middle of an answer' },
  { id: 'F80', name: 'tab frozen in the middle of a download and of an answer' },
  { id: 'F81', name: 'new version while an answer is written' },
  { id: 'F82', name: 'new version with a file missing or cut short' },
  { id: 'F83', name: 'new scripts with old kernels' },
  { id: 'F84', name: 'old tab asks for a part that is gone' },
  { id: 'F85', name: 'no room for a new version' },
  { id: 'F92', name: 'hostile documents', notRun: 'Hermit reads no documents yet' },
  { id: 'F93', name: 'damaged export of chats' },
  { id: 'F94', name: 'clock jumps and time zone changes' },
  { id: 'F95', name: 'power lost: what was not flushed is gone' },
];

const byId = new Map(faults.map((fault) => [fault.id, fault]));

/** The title of a test. @throws Error for an unknown fault */
export function titleOf(id: string, variant?: string): string {
  const fault = byId.get(id);
  if (fault === undefined) throw new Error(`There is no fault ${id}`);
  return `${id} ${fault.name}${variant === undefined ? '' : `: ${variant}`}`;
}
