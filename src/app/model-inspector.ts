/** Looks into models on this device and elsewhere, without downloading them. */
import { throwIfAborted, untilAborted } from '../common/abort.ts';
import type { AddModelRequest } from '../download/model-request.ts';
import type { ModelInspection } from '../engine/inspection/model-inspection.ts';
import type { ModelReference, RemoteModelInfo, StoreApi } from '../rpc/contracts.ts';
import { transfer } from '../rpc/transfer.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import type { HeaderSandbox } from './header-sandbox.ts';

/** A model to look into: one of the library by its id, or what could be added. */
export type InspectionSource =
  { readonly kind: 'installed'; readonly id: string } | AddModelRequest;

export interface InspectionReport extends ModelInspection {
  /** The files as their place names them; empty for an installed model. */
  readonly files: RemoteModelInfo['files'];
  /** Memory a model may use on this device, in bytes. */
  readonly budgetBytes: number;
}

export interface ModelInspectorOptions {
  readonly store: WorkerOwner<StoreApi>;
  readonly sandbox: HeaderSandbox;
  /** How a worker reaches the bytes of an installed model. */
  readonly refer: (modelId: string) => Promise<ModelReference>;
  readonly budgetBytes: number;
}

export class ModelInspector {
  readonly #options: ModelInspectorOptions;

  constructor(options: ModelInspectorOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `model-file/*` where nothing can be told of the file, `download/*`, `store/*`,
   * `aborted`
   */
  async inspect(source: InspectionSource, signal?: AbortSignal): Promise<InspectionReport> {
    const { sandbox, refer, budgetBytes } = this.#options;
    throwIfAborted(signal);
    if (source.kind === 'installed') {
      const inspection = await sandbox.inspect(await refer(source.id), signal);
      return { ...inspection, files: [], budgetBytes };
    }
    const { port1, port2 } = new MessageChannel();
    const opening = this.#options.store.use((store) =>
      store.serveRemote(source, transfer(port1, [port1])),
    );
    try {
      const { files, licence, size, partSizes } = await untilAborted(opening, signal);
      const reference = { kind: 'port', port: port2, size, partSizes } as const;
      const inspection = await sandbox.inspect(reference, signal);
      return { ...inspection, licence: licence ?? inspection.licence, files, budgetBytes };
    } catch (error) {
      // Nobody reads on: the store worker lets its connections go.
      port2.close();
      throw error;
    }
  }
}
