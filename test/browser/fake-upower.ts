/**
 * A battery that Chromium reads like a real one: UPower played by python3-dbusmock on a D-Bus of its
 * own, which the browser is told to take for the system's.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { findUPower } from '../../scripts/find-upower.mjs';

const run = promisify(execFile);

/** Of UPower's device states. */
const states = { charging: 1, discharging: 2 } as const;
const batteryType = 2;

export interface FakeUPower {
  /** What a browser is started with to see it. */
  readonly environment: Readonly<Record<string, string>>;
  /** @param level 0 to 1 */
  charge(level: number, charging: boolean): Promise<void>;
  close(): void;
}

/** Null where the parts of it are not installed. */
export async function startFakeUPower(level: number): Promise<FakeUPower | null> {
  if (!findUPower()) return null;
  const bus = spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [address] = (await once(createInterface(bus.stdout), 'line')) as [string];
  const environment = { DBUS_SYSTEM_BUS_ADDRESS: address };
  const options = { env: { ...process.env, ...environment } };
  const played: ChildProcess = spawn(
    '/usr/bin/python3',
    ['-m', 'dbusmock', '--system', '--template', 'upower'],
    { ...options, stdio: 'ignore' },
  );
  const call = (method: string, ...values: readonly string[]): Promise<unknown> =>
    run(
      'dbus-send',
      [
        '--system',
        '--print-reply',
        '--dest=org.freedesktop.UPower',
        '/org/freedesktop/UPower',
        `org.freedesktop.DBus.Mock.${method}`,
        ...values,
      ],
      options,
    );
  const charge = async (share: number, charging: boolean): Promise<void> => {
    const percent = (100 * share).toFixed(1);
    const state = charging ? states.charging : states.discharging;
    await call(
      'SetupDisplayDevice',
      `int32:${batteryType}`,
      `uint32:${state}`,
      `double:${percent}`,
      `double:${(share * 50).toFixed(1)}`,
      'double:50.0',
      'double:10.0',
      `int64:${charging ? 0 : 1200}`,
      `int64:${charging ? 1200 : 0}`,
      'boolean:true',
      'string:battery',
      'uint32:1',
    );
  };
  const close = (): void => {
    played.kill();
    bus.kill();
  };
  try {
    // The player takes a moment until it has its name on the bus.
    for (let tries = 0; ; tries++) {
      try {
        await call('AddDischargingBattery', 'string:one', 'string:Test', 'double:50', 'int64:1200');
        break;
      } catch (error) {
        if (tries === 100 || played.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    await charge(level, false);
  } catch (error) {
    close();
    throw error;
  }
  return { environment, charge, close };
}
