/** A shared worker that all tabs of this site reach: brings two of them together, and nothing else. */
import { PortBroker } from '../src/rpc/port-broker.ts';

const broker = new PortBroker();
const shared = globalThis as unknown as SharedWorkerGlobalScope;
shared.onconnect = ({ ports }) => {
  for (const port of ports) broker.connect(port);
};
