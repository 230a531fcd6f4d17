/**
 * Reads headers of models, which come from strangers, in sandboxes: one worker for one header, ended
 * after it.
 */
import { AppError } from '../common/errors.ts';
import type { HeaderFacts, ModelUse } from '../engine/inspection/inspect-model.ts';
import type { ModelInspection } from '../engine/inspection/model-inspection.ts';
import type { FolderFile, ModelReference, SandboxApi, ServedBytes } from '../rpc/contracts.ts';
import { transfer, type Remote } from '../rpc/transfer.ts';
import { useOnce } from '../rpc/worker-owner.ts';

/** The largest headers of published models parse in well under a second. */
const HEADER_DEADLINE_MS = 10_000;
/** The largest vocabularies take two seconds; a phone may be ten times slower. */
const FOLDER_DEADLINE_MS = 30_000;

export class HeaderSandbox {
  readonly #create: () => Worker;
  readonly #budgetBytes: number;

  /** @param budgetBytes memory a model may use in all */
  constructor(create: () => Worker, budgetBytes: number) {
    this.#create = create;
    this.#budgetBytes = budgetBytes;
  }

  /** Parses a stored model's header and posts it on the port. @throws AppError `model-file/*` */
  readHeader(model: ModelReference, header: MessagePort): Promise<void> {
    return this.#use(
      HEADER_DEADLINE_MS,
      undefined,
      (sandbox) => sandbox.readHeader(movedReference(model), transfer(header, [header])),
      (sandbox) => sandbox.headerReceived(),
    );
  }

  /**
   * Reads a model's folder and posts on the port how to convert it. Its vocabulary may have 35 MB,
   * which takes seconds; there is no deadline where the files come over the network.
   * @throws AppError `model-file/*`, `invalid-argument`, `aborted`, what its files throw
   */
  planConversion(
    name: string,
    files: readonly FolderFile[],
    plan: MessagePort,
    signal?: AbortSignal,
  ): Promise<void> {
    const remote = files.flatMap((file) => (file.kind === 'remote' ? [file.port] : []));
    return this.#use(
      remote.length === 0 ? FOLDER_DEADLINE_MS : null,
      signal,
      (sandbox) =>
        sandbox.planConversion(name, transfer([...files], remote), transfer(plan, [plan])),
      (sandbox) => sandbox.headerReceived(),
    );
  }

  /** What a stored model is for and the memory it takes. @throws AppError `model-file/*` */
  readUse(model: ModelReference): Promise<ModelUse> {
    return this.#use(HEADER_DEADLINE_MS, undefined, (sandbox) =>
      sandbox.readUse(movedReference(model)),
    );
  }

  /**
   * What the header of a model that is still arriving says. There is no deadline, for the network
   * may be slow; a sandbox that hangs falls silent and is ended.
   * @throws AppError `model-file/*`, `engine/out-of-memory`: why the model cannot be used
   */
  refuseUnusable(bytes: ServedBytes, port: MessagePort): Promise<HeaderFacts> {
    const model = movedReference({ kind: 'port', port, ...bytes });
    return this.#use(null, undefined, (sandbox) =>
      sandbox.refuseUnusable(model, this.#budgetBytes),
    );
  }

  /** @throws AppError `model-file/*` where nothing can be told, `aborted`, what its source throws */
  inspect(model: ModelReference, signal?: AbortSignal): Promise<ModelInspection> {
    const deadlineMs = model.kind === 'stored' ? HEADER_DEADLINE_MS : null;
    return this.#use(deadlineMs, signal, (sandbox) => sandbox.inspect(movedReference(model)));
  }

  #use<T>(
    deadlineMs: number | null,
    signal: AbortSignal | undefined,
    call: (sandbox: Remote<SandboxApi>) => Promise<T>,
    linger?: (sandbox: Remote<SandboxApi>) => Promise<void>,
  ): Promise<T> {
    const late = (): AppError =>
      new AppError(
        'model-file/malformed',
        'The header of this model file could not be read in a reasonable time. Choose another file.',
        { details: { deadlineMs } },
      );
    return useOnce<SandboxApi, T>(
      { name: 'sandbox', create: this.#create, deadlineMs, signal, linger },
      late,
      call,
    );
  }
}

function movedReference(model: ModelReference): ModelReference {
  return model.kind === 'port' ? transfer(model, [model.port]) : model;
}
