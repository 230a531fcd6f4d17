/**
 * Several places to keep blocks, seen as one: new contents go to the first, and every content stays
 * where it was begun. So a better place can be used as soon as a browser has it, and nothing that is
 * stored has to move.
 */
import type { ChunkStore, ContentNotes } from './chunk-store.ts';

export class PlacedChunkStore implements ChunkStore {
  readonly #preferred: ChunkStore;
  readonly #places: readonly ChunkStore[];
  /** Where contents were found, or begun, in this thread. */
  readonly #found = new Map<string, ChunkStore>();

  constructor(preferred: ChunkStore, others: readonly ChunkStore[]) {
    this.#preferred = preferred;
    this.#places = [preferred, ...others];
  }

  readonly notes: ContentNotes = {
    write: async (contentId, bytes) => {
      await (await this.#placeOf(contentId)).notes?.write(contentId, bytes);
    },
    read: async (contentId) =>
      (await (await this.#placeOf(contentId)).notes?.read(contentId)) ?? null,
  };

  get kind(): ChunkStore['kind'] {
    return this.#preferred.kind;
  }

  async put(contentId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const place = await this.#placeOf(contentId);
    this.#found.set(contentId, place);
    await place.put(contentId, index, bytes);
  }

  async get(
    contentId: string,
    index: number,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#placeOf(contentId)).get(contentId, index, spare);
  }

  async blob(contentId: string, index: number): Promise<Blob> {
    return (await this.#placeOf(contentId)).blob(contentId, index);
  }

  async delete(contentId: string, index: number): Promise<void> {
    await (await this.#placeOf(contentId)).delete(contentId, index);
  }

  async list(contentId: string): Promise<number[]> {
    return (await this.#placeOf(contentId)).list(contentId);
  }

  async removeContent(contentId: string): Promise<void> {
    const place = await this.#placeOf(contentId);
    await place.removeContent(contentId);
    this.#found.delete(contentId);
  }

  async release(contentId: string): Promise<void> {
    await this.#found.get(contentId)?.release(contentId);
  }

  async contents(): Promise<string[]> {
    const lists = await Promise.all(this.#places.map((place) => place.contents()));
    return [...new Set(lists.flat())];
  }

  close(): void {
    for (const place of this.#places) place.close();
  }

  async #placeOf(contentId: string): Promise<ChunkStore> {
    const known = this.#found.get(contentId);
    if (known !== undefined) return known;
    for (const place of this.#places) {
      if (!(await place.contents()).includes(contentId)) continue;
      this.#found.set(contentId, place);
      return place;
    }
    return this.#preferred;
  }
}
