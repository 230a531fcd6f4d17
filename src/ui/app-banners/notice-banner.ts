import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatNumber } from '../format.ts';
import { closeIcon, infoIcon, warningIcon } from '../icons.ts';
import type { AppNoticeView } from '../services.ts';

export interface NoticeActions {
  readonly dismiss: () => void;
  readonly reload: () => void;
  readonly load: (modelId: string) => void;
}

/** One notice about the application: what happened, what is safe, what can be done. */
export function noticeBanner(notice: AppNoticeView, actions: NoticeActions): unknown {
  const serious = !['data-cleared', 'shorter-context', 'four-bits'].includes(notice.kind);
  return html`<div class="banner ${serious ? 'warning' : ''}" role="status">
    ${serious ? warningIcon : infoIcon}
    <p>${noticeSentence(notice)}</p>
    ${noticeButtons(notice, actions)}
    ${
      // Nothing can be stored any more: that does not go away by not being looked at.
      notice.kind === 'superseded'
        ? nothing
        : html`<button
            type="button"
            class="icon-button"
            aria-label=${msg('Dismiss', { id: 'common.dismiss' })}
            @click=${actions.dismiss}
          >
            ${closeIcon}
          </button>`
    }
  </div>`;
}

function noticeSentence(notice: AppNoticeView): string {
  switch (notice.kind) {
    case 'data-lost':
      return msg(
        str`The browser lost what Hermit had stored here: ${lost(notice)}. That happens when a disk is full or failing, or when site data is cleared. Export your chats from time to time to have a copy.`,
        { id: 'notice.dataLost' },
      );
    case 'data-cleared':
      return msg(
        'The data of this site was cleared, models and earlier chats included. The chat on this screen was kept and is stored again.',
        { id: 'notice.dataCleared' },
      );
    case 'superseded':
      return msg(
        'Hermit was updated in another tab, so this one can store nothing any more. Reload it to go on; what was stored is safe.',
        { id: 'notice.superseded' },
      );
    case 'shorter-context':
      return msg(
        str`There was too little memory for a context of ${formatNumber(notice.wanted)} tokens, so the model was loaded with ${formatNumber(notice.taken)}. Long chats are forgotten sooner.`,
        { id: 'notice.shorterContext' },
      );
    case 'four-bits':
      return msg(
        'There was too little memory for this model with all its bits, so it was loaded with 4 bits of each weight. Its answers are a little less exact.',
        { id: 'notice.fourBits' },
      );
    case 'crashed':
      return notice.work === 'loading'
        ? msg(
            str`The page crashed while “${notice.modelName}” was being loaded, probably for lack of memory, so it was not loaded again by itself. Your chats are safe. Load it again with other tabs closed, choose a smaller model, or a shorter context in Settings.`,
            { id: 'notice.crashedLoading' },
          )
        : msg(
            str`The page crashed while “${notice.modelName}” was answering. What it had written is kept, and your chats are safe. Load it again to go on; if it happens again, choose a smaller model.`,
            { id: 'notice.crashedAnswering' },
          );
  }
}

function lost({ chats, models }: { readonly chats: number; readonly models: number }): string {
  const parts = [
    chats === 0 ? null : msg(str`chats (${formatNumber(chats)})`, { id: 'notice.lostChats' }),
    models === 0 ? null : msg(str`models (${formatNumber(models)})`, { id: 'notice.lostModels' }),
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function noticeButtons(notice: AppNoticeView, { reload, load }: NoticeActions): unknown {
  switch (notice.kind) {
    case 'superseded':
      return html`<button type="button" class="button small primary" @click=${reload}>
        ${msg('Reload', { id: 'notice.reload' })}
      </button>`;
    case 'crashed':
      return html`<button
          type="button"
          class="button small primary"
          @click=${() => {
            load(notice.modelId);
          }}
        >
          ${msg('Load it again', { id: 'notice.loadAgain' })}
        </button>
        <a class="button small quiet" href="#/models"
          >${msg('Other models', { id: 'notice.otherModels' })}</a
        >`;
    case 'data-lost':
    case 'data-cleared':
    case 'shorter-context':
    case 'four-bits':
      return nothing;
  }
}
