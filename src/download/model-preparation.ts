/**
 * What is done before the first byte of a model is stored: all files of a model in several files are
 * found and pinned to one version, their sizes are learned, and the headers are looked at. A model
 * that could not be used costs its headers and not its gigabytes.
 */
import type { ByteSource } from '../common/byte-source.ts';
import { AppError, hasCode, toAppError } from '../common/errors.ts';
import { JoinedByteSource } from '../common/joined-byte-source.ts';
import type { ModelFacts, ModelManifest } from '../store/manifest.ts';
import { filesOf } from '../store/model-parts.ts';
import type { ModelStore } from '../store/model-store.ts';
import type { ModelSource } from './model-source.ts';
import { persist, type PersistOptions } from './persist.ts';
import { openRemoteFile, type RemoteFile } from './remote-byte-source.ts';

/** What a header says about its model. */
export type HeaderFacts = Omit<ModelFacts, 'languages'>;

/** Reads a header in the sandbox. @throws AppError `model-file/*`, `engine/out-of-memory` */
export type HeaderReader = (source: ByteSource) => Promise<HeaderFacts>;

export interface ModelPreparationOptions extends PersistOptions {
  readonly store: ModelStore;
  readonly sourceOf: (file: ModelManifest) => ModelSource;
  /** Null where nothing is refused early. */
  readonly readHeader: HeaderReader | null;
}

/** The files that are still to be fetched. */
export function unfinished(model: ModelManifest): readonly ModelManifest[] {
  return filesOf(model).filter(({ state }) => state !== 'ready');
}

/** Bytes of the files of a model without the one that is being fetched. */
export function otherFiles(
  model: ModelManifest,
  fileId: string,
): { readonly bytesDone: number; readonly bytesTotal: number | null } {
  const others = model.parts.filter(({ id }) => id !== fileId);
  const sizes = others.map(({ size, expectedSize }) => size ?? expectedSize);
  return {
    bytesDone: others.reduce((sum, { bytesStored }) => sum + bytesStored, 0),
    bytesTotal: sizes.reduce(
      (sum: number | null, size) => (sum === null || size === null ? null : sum + size),
      0,
    ),
  };
}

export class ModelPreparation {
  readonly #options: ModelPreparationOptions;

  constructor(options: ModelPreparationOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `model-file/*`, `engine/out-of-memory` (the model cannot be used), `download/*`,
   * `aborted`
   */
  async run(model: ModelManifest): Promise<void> {
    const several = model.parts.length > 0;
    const begun = model.bytesStored > 0;
    if (several && model.halt !== null) {
      // Each file's download clears its own; until then the model would look halted.
      await this.#options.store.update(model.id, { halt: null });
    }
    if (several && !begun) {
      await this.#pin(model);
      await this.#lookAt(await this.#options.store.get(model.id));
    } else if (
      !several &&
      begun &&
      this.#options.readHeader !== null &&
      model.state !== 'damaged' &&
      model.facts.architecture === null
    ) {
      // Its download was cut off before its header was known.
      await this.#lookAt(model);
    }
  }

  /** Has a header read and notes what it says. @throws AppError why the model cannot be used */
  async check(model: ModelManifest, source: ByteSource): Promise<void> {
    const { readHeader, store } = this.#options;
    if (readHeader === null) return;
    let said: HeaderFacts;
    try {
      said = await readHeader(source);
    } catch (error) {
      const { code } = toAppError(error);
      const counts = ['model-file/', 'download/', 'engine/out-of-memory', 'aborted'];
      if (counts.some((kind) => code.startsWith(kind))) throw error;
      // A header that could not be looked at refuses nothing: it is read again when the model is loaded.
      console.warn('The header of a model could not be looked at early.', error);
      return;
    }
    const { languages } = model.facts;
    await store.update(model.id, { facts: { ...said, languages } });
  }

  /** One version for all files: the commit that the first is found at. */
  async #pin(model: ModelManifest): Promise<void> {
    const { store, sourceOf, signal } = this.#options;
    let { commit } = model.origin;
    for (const { id } of model.parts) {
      const part = await store.get(id);
      const file = { ...part, origin: { ...part.origin, commit: part.origin.commit ?? commit } };
      const resolved = await this.#ofPart(model, file, () => sourceOf(file).resolve(signal));
      commit = resolved.commit;
      await store.update(id, {
        origin: { ...file.origin, commit },
        expectedSize: resolved.size ?? file.expectedSize,
        expectedSha256: resolved.sha256 ?? file.expectedSha256,
        licence: file.licence ?? resolved.licence,
      });
    }
  }

  async #lookAt(model: ModelManifest): Promise<void> {
    const { store, sourceOf, clock, signal } = this.#options;
    const files: RemoteFile[] = [];
    try {
      for (const file of filesOf(model)) {
        const known = file.size ?? file.expectedSize;
        const open = (): Promise<RemoteFile> =>
          openRemoteFile(sourceOf(file), known, clock, signal);
        const remote = await this.#ofPart(model, file, open);
        files.push(remote);
        if (known === null && remote.sizeKnown) {
          await store.update(file.id, { expectedSize: remote.size });
        }
      }
      if (!files.every(({ sizeKnown }) => sizeKnown)) return;
      const [first] = files;
      const whole = files.length === 1 && first !== undefined ? first : new JoinedByteSource(files);
      await persist(() => this.check(model, whole), this.#options);
    } finally {
      for (const file of files) file.close();
    }
  }

  /** Work on one file of several, whose absence is told as such. */
  async #ofPart<T>(model: ModelManifest, file: ModelManifest, work: () => Promise<T>): Promise<T> {
    try {
      return await persist(work, this.#options);
    } catch (error) {
      if (model.parts.length === 0 || !hasCode(error, 'download/not-found')) throw error;
      const parts = model.parts.length;
      throw new AppError(
        'model-file/in-parts',
        `This model has ${parts} files, and "${file.fileName}" is not where the others are. Choose another version of the model, or get all files and add them together.`,
        { details: { parts, missing: [file.fileName], elsewhere: true }, cause: error },
      );
    }
  }
}
