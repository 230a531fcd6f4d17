/**
 * The headers of Hermit for hosts that cannot send any, as many static hosts: isolation, and above all
 * the policies of workers, which a `<meta>` element cannot carry. The service worker adds them to what
 * it serves, from the list of files that the build made (`scripts/security-headers.mjs`).
 */

/** A file of the list, with the headers it is to have; files that need none have no field. */
export interface HeadedFile {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class AddedHeaders {
  readonly #headers: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly #base: string;

  constructor(files: readonly HeadedFile[], base: string) {
    this.#base = base;
    this.#headers = new Map(
      files.flatMap(({ url, headers }) =>
        headers === undefined ? [] : [[this.#key(url), headers]],
      ),
    );
  }

  /** Of what the precache answers. */
  readonly plugin = {
    handlerWillRespond: ({ request, response }: { request: Request; response: Response }) =>
      Promise.resolve(this.addTo(response, request.url)),
  };

  /** From the network, with the headers of `url`. @throws TypeError without a network */
  async fetch(request: Request, url = request.url): Promise<Response> {
    return this.addTo(await fetch(request), url);
  }

  /** The response with what it lacks. What the host sends itself stays as it is. */
  addTo(response: Response, url: string): Response {
    const missing = Object.entries(this.#headers.get(this.#key(url)) ?? {}).filter(
      ([name]) => !response.headers.has(name),
    );
    // A redirect that the browser is to follow has no status and cannot be copied.
    if (missing.length === 0 || response.status === 0) return response;
    const headers = new Headers(response.headers);
    for (const [name, value] of missing) headers.set(name, value);
    const { status, statusText } = response;
    return new Response(response.body, { status, statusText, headers });
  }

  /**
   * Without the hash in its name: a file of the version before has the headers of the same file now. A
   * folder is its page.
   */
  #key(url: string): string {
    const { pathname } = new URL(url, this.#base);
    return pathname.replace(/\/$/, '/index.html').replace(/-[\w-]{8}(\.\w+)$/, '$1');
  }
}
