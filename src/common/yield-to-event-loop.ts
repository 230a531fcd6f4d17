/**
 * Lets waiting messages (a "stop" above all) be handled before work goes on. A promise alone does
 * not: its continuation runs before the next message.
 *
 * A message to oneself comes back in microseconds, while browsers stretch nested timers to 4 ms.
 */
const waiting: (() => void)[] = [];
let channel: MessageChannel | undefined;

function wakeNext(): void {
  const resolve = waiting.shift();
  // In Node an open port with a listener keeps the process alive: listen only while someone waits.
  if (waiting.length === 0 && channel !== undefined) channel.port1.onmessage = null;
  resolve?.();
}

export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof MessageChannel === 'undefined') {
      setTimeout(resolve, 0);
      return;
    }
    channel ??= new MessageChannel();
    waiting.push(resolve);
    channel.port1.onmessage ??= wakeNext;
    channel.port2.postMessage(null);
  });
}
