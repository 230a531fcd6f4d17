/** The worker in which `conversation.bench.ts` runs. */
import { runConversationBench, type ConversationBenchOptions } from './conversation.bench.ts';

const scope = globalThis as unknown as {
  onmessage: (event: { data: ConversationBenchOptions }) => void;
  postMessage(value: unknown): void;
};

scope.onmessage = ({ data }) => {
  runConversationBench(data).then(
    (result) => {
      scope.postMessage({ result });
    },
    (error: unknown) => {
      scope.postMessage({ error: error instanceof Error ? error.message : String(error) });
    },
  );
};
