import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { formatBytes, formatDate, formatDuration, formatSpeed } from '../format.ts';
import { warningIcon } from '../icons.ts';
import type { ModelView, ModelViewState } from '../services.ts';

/** What a model's row shows of each state; the row itself adds what can be done. */

export type Downloading = Extract<ModelViewState, { kind: 'downloading' }>;
export type Paused = Extract<ModelViewState, { kind: 'paused' }>;

/** Size, source and licence in one line. */
export function facts(model: ModelView): unknown {
  const size = model.bytesTotal === null ? null : formatBytes(model.bytesTotal);
  const { madeFrom } = model;
  if (madeFrom !== null) {
    const made = msg(str`made here from “${madeFrom.name}”, ${madeFrom.recipe}`, {
      id: 'model.madeFrom',
    });
    return [size, made, model.licence].filter((part) => part !== null).join(' · ');
  }
  return html`${size === null ? nothing : html`${size} · `}${
    model.sourceUrl === null
      ? model.sourceLabel
      : html`<a href=${model.sourceUrl} target="_blank" rel="noopener noreferrer"
          >${model.sourceLabel}</a
        >`
  }${model.licence === null ? nothing : ` · ${model.licence}`}`;
}

/** The share that is done, 0 to 1; 0 while the size is unknown. */
export function fraction(model: ModelView, done: number): number {
  return model.bytesTotal === null || model.bytesTotal === 0 ? 0 : done / model.bytesTotal;
}

/** The bar of a download or a check; `still` where nothing moves at the moment. */
export function bar(model: ModelView, done: number, still = false): unknown {
  const label = msg(str`Progress of ${model.name}`, { id: 'model.progress' });
  return model.bytesTotal === null
    ? html`<progress aria-label=${label}></progress>`
    : html`<progress
        class=${still ? 'paused' : ''}
        aria-label=${label}
        max=${model.bytesTotal}
        .value=${done}
      ></progress>`;
}

function amount(model: ModelView, done: number): string {
  return model.bytesTotal === null
    ? formatBytes(done)
    : msg(str`${formatBytes(done)} of ${formatBytes(model.bytesTotal)}`, { id: 'model.amount' });
}

/** Bytes, speed and time left, or the wait for the next attempt. */
export function downloading(model: ModelView, state: Downloading): unknown {
  const { retryAt, secondsLeft } = state;
  const rest =
    retryAt !== null
      ? msg(
          str`Connection lost. Trying again in ${formatDuration((retryAt - Date.now()) / 1000)}`,
          { id: 'model.retryIn' },
        )
      : secondsLeft === null
        ? formatSpeed(state.bytesPerSecond)
        : msg(
            str`${formatSpeed(state.bytesPerSecond)} · about ${formatDuration(secondsLeft)} left`,
            { id: 'model.speedLeft' },
          );
  return html`${bar(model, state.bytesDone, retryAt !== null)}
    <p class="line"><span>${amount(model, state.bytesDone)}</span><span>${rest}</span></p>`;
}

/** How far it got and why it rests. */
export function paused(model: ModelView, state: Paused): unknown {
  return html`${bar(model, state.bytesDone, true)}
    <p class="line">
      <span>${amount(model, state.bytesDone)}</span><span>${pausedText(state.reason)}</span>
    </p>
    ${
      state.error === null
        ? nothing
        : html`<p class="problem" role="alert">
            ${warningIcon}<span>${errorText(state.error)}</span>
          </p>`
    }`;
}

function pausedText(reason: Paused['reason']): string {
  switch (reason) {
    case 'user':
      return msg('Paused', { id: 'model.paused' });
    case 'quota':
      return msg('Paused: storage is full', { id: 'model.pausedQuota' });
    case 'offline':
      return msg('Paused: offline', { id: 'model.pausedOffline' });
    case 'error':
      return msg('Paused after a problem', { id: 'model.pausedError' });
    case 'interrupted':
      return msg('Paused: the page was closed', { id: 'model.pausedInterrupted' });
  }
}

/** What a model is good for that nobody can talk to. */
export function searchModel(): unknown {
  return html`<p class="line">
    ${msg('For search, not for chat: turns texts into vectors, beside the model you talk to.', {
      id: 'model.embedding',
    })}
  </p>`;
}

/** How far the file can be trusted, with its name, checksum and dates folded away. */
export function details(model: ModelView): unknown {
  const verified = {
    'published-hash': msg('Verified: equals the publisher’s checksum', {
      id: 'model.verifiedPublished',
    }),
    computed: msg('Complete; its publisher gave no checksum to compare with', {
      id: 'model.verifiedComputed',
    }),
    no: msg('Not verified', { id: 'catalog.unchecked' }),
  }[model.verified];
  const unknown = msg('unknown', { id: 'common.unknown' });
  return html`<details>
    <summary>
      <span class=${model.verified === 'published-hash' ? 'good' : ''}>${verified}</span>
    </summary>
    <dl>
      ${
        model.files.length === 0
          ? html`<div>
                <dt>${msg('File', { id: 'model.file' })}</dt>
                <dd>${model.fileName}</dd>
              </div>
              <div>
                <dt>SHA-256</dt>
                <dd class="hash">${model.sha256 ?? unknown}</dd>
              </div>`
          : model.files.map(
              ({ fileName, bytes, sha256 }, index) =>
                html`<div>
                  <dt>
                    ${msg(str`File ${index + 1} of ${model.files.length}`, { id: 'model.filePart' })}
                  </dt>
                  <dd>
                    ${fileName}${bytes === null ? nothing : ` · ${formatBytes(bytes)}`}
                    <span class="hash">SHA-256 ${sha256 ?? unknown}</span>
                  </dd>
                </div>`,
            )
      }
      <div>
        <dt>${msg('Added on', { id: 'catalog.addedOn' })}</dt>
        <dd>${formatDate(model.addedAt)}</dd>
      </div>
      ${
        model.lastUsedAt === null
          ? nothing
          : html`<div>
              <dt>${msg('Last used', { id: 'model.lastUsed' })}</dt>
              <dd>${formatDate(model.lastUsedAt)}</dd>
            </div>`
      }
    </dl>
  </details>`;
}
