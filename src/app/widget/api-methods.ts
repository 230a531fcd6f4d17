/**
 * The page API by name, for calls that come over a port. What is not here cannot be called from
 * outside: nothing removes a model, gives files away or reads chats.
 */
import { AppError } from '../../common/errors.ts';
import type { ApiMethod } from '../../embed/frame/host-session.ts';
import type { ServedCall } from '../../embed/peer.ts';
import type { CallOptions } from '../page-api/chat-completions.ts';
import type { Hermit, LoadOptions } from '../page-api/hermit.ts';
import { requireObject, requireText } from '../page-api/request-checks.ts';
import { findShared, hasCrossOriginStorage, share } from './cross-origin-storage.ts';

/** Tells the person what a model costs, before anything is fetched. */
export type ConfirmInstall = (model: {
  readonly name: string;
  readonly host: string;
  readonly bytes: number | null;
  /** Another site has fetched it: nothing is downloaded. */
  readonly shared: boolean;
}) => Promise<boolean>;

type Streaming = (request: never, options: CallOptions) => Promise<unknown>;

export function apiMethods(
  hermit: Hermit,
  confirmInstall: ConfirmInstall,
): ReadonlyMap<string, ApiMethod> {
  const { models } = hermit;
  const methods: Record<string, ApiMethod> = {
    'models.list': () => models.list(),
    'models.load': ([id, options], { signal, emit }) =>
      models.load(requireText(id, 'id'), {
        ...(optionsOf(options) as LoadOptions),
        signal,
        onProgress: emit,
      }),
    'models.unload': ([id]) =>
      models.unload(id === undefined || id === null ? undefined : requireText(id, 'id')),
    'models.verify': ([id]) => models.verify(requireText(id, 'id')),
    'models.install': async ([source], { signal, emit }) => {
      const { url, sha256 } = sourceOf(source);
      const shared = sha256 === undefined ? null : await findShared(sha256, fileNameOf(url));
      const described =
        shared === null
          ? await describe(hermit, url, signal)
          : { ...placeOf(url), bytes: shared.size };
      if (!(await confirmInstall({ ...described, shared: shared !== null }))) {
        throw new AppError('embed/refused', 'The person did not allow this download.');
      }
      const options = { signal, onProgress: emit };
      if (shared !== null) return models.install(shared, options);
      if (sha256 === undefined) return models.install(url, options);
      const id = await models.install({ url, sha256 }, options);
      if (hasCrossOriginStorage()) void shareInstalled(hermit, id, sha256);
      return id;
    },
    'chat.completions.create': streamed((request, options) =>
      hermit.chat.completions.create(request, options),
    ),
    'completions.create': streamed((request, options) =>
      hermit.completions.create(request, options),
    ),
    'embeddings.create': ([request, options], { signal }) =>
      hermit.embeddings.create(request as never, { ...priorityOf(options), signal }),
    tokenize: ([id, text, options]) =>
      hermit.tokenize(id as string, text as string, optionsOf(options)),
    detokenize: ([id, ids, options]) =>
      hermit.detokenize(id as string, ids as number[], optionsOf(options)),
    'device.report': () => hermit.device.report(),
    'policy.current': () => Promise.resolve(hermit.policy.current()),
    'policy.watch': (_params, { signal, emit }) =>
      new Promise((resolve) => {
        const stop = hermit.policy.onChange(emit);
        const end = (): void => {
          stop();
          resolve(undefined);
        };
        if (signal.aborted) end();
        else signal.addEventListener('abort', end, { once: true });
      }),
  };
  return new Map(Object.entries(methods));
}

/** A stream is sent value by value, after a first null that says that the request was accepted. */
function streamed(create: Streaming): ApiMethod {
  return async ([request, options], { signal, emit }: ServedCall) => {
    const answer = await create(request as never, { ...priorityOf(options), signal });
    if (!isStream(answer)) return answer;
    emit(null);
    for await (const chunk of answer) emit(chunk);
    return null;
  };
}

function isStream(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;
}

/** Options are checked by the page API itself; here only that they are an object at all. */
function optionsOf(value: unknown): Readonly<Record<string, unknown>> {
  return value === undefined || value === null ? {} : requireObject(value, 'options');
}

function priorityOf(value: unknown): Pick<CallOptions, 'priority'> {
  const { priority } = optionsOf(value);
  return priority === undefined ? {} : { priority: priority as 'normal' };
}

function sourceOf(source: unknown): { readonly url: string; readonly sha256: string | undefined } {
  if (typeof source === 'string') return { url: source, sha256: undefined };
  const { url, sha256 } = requireObject(source, 'source');
  return {
    url: requireText(url, 'url'),
    sha256: sha256 === undefined ? undefined : requireText(sha256, 'sha256'),
  };
}

/** Name, host and size of what an address leads to; a size that cannot be learnt is null. */
async function describe(
  hermit: Hermit,
  url: string,
  signal: AbortSignal,
): Promise<{ name: string; host: string; bytes: number | null }> {
  const place = placeOf(url);
  const report = await hermit.models.inspect(url, { signal }).catch(() => null);
  return { ...place, bytes: report?.sizeBytes ?? null };
}

function placeOf(url: string): { name: string; host: string } {
  return { name: fileNameOf(url), host: new URL(url).host };
}

/** @throws AppError `invalid-argument` */
function fileNameOf(url: string): string {
  if (!URL.canParse(url)) throw new AppError('invalid-argument', 'This is not an address.');
  const { pathname } = new URL(url);
  return pathname.slice(pathname.lastIndexOf('/') + 1);
}

/** A model of one file alone: the parts of a divided one have hashes that nobody told. */
async function shareInstalled(hermit: Hermit, id: string, sha256: string): Promise<void> {
  const [file, ...more] = await hermit.models.exportFiles(id).catch(() => []);
  if (file !== undefined && more.length === 0) await share(sha256, file);
}
