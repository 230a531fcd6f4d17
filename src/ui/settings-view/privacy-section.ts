import { msg } from '@lit/localize';
import { html } from 'lit';
import { live } from 'lit/directives/live.js';
import { networkDestinations, type NetworkDestination } from '../../common/network-destinations.ts';
import { shieldIcon } from '../icons.ts';
import type { SettingsService } from '../services.ts';

/** Exactly which requests leave the device, and when. */
export function privacySection(settings: SettingsService): unknown {
  return html`<section aria-labelledby="privacy">
    <h2 id="privacy">${msg('Privacy', { id: 'settings.privacy' })}</h2>
    <div class="card prose">
      <p class="lead">
        ${shieldIcon}<strong
          >${msg('Your words never leave this device.', { id: 'privacy.lead' })}</strong
        >
      </p>
      <p>
        ${msg(
          'There is no account, no telemetry, no advertising, no third-party script. These are all the requests Hermit makes:',
          {
            id: 'privacy.intro',
          },
        )}
      </p>
      <ul>
        ${networkDestinations.map((destination) => html`<li>${destinationText(destination)}</li>`)}
      </ul>
      <p>
        ${msg(
          'Those servers see your IP address and which file you fetch, as with any download. Images and links in answers are never loaded by themselves; a link opens only when you press it.',
          {
            id: 'privacy.limits',
          },
        )}
      </p>
      <div class="hub">
        <label for="hub-url">${msg('Server for models', { id: 'settings.hubUrl' })}</label>
        <input
          id="hub-url"
          type="url"
          inputmode="url"
          autocomplete="off"
          spellcheck="false"
          aria-describedby="hub-url-hint"
          .value=${live(settings.settings.value.hubUrl)}
          @change=${(event: Event) => {
            const field = event.target as HTMLInputElement;
            settings.update({ hubUrl: field.value.trim() });
            // What is no safe address is not taken: the field shows what is in use.
            field.value = settings.settings.value.hubUrl;
          }}
        />
        <p class="hint" id="hub-url-hint">
          ${msg(
            'Hugging Face, or a mirror that speaks its protocol: an address that begins with https://.',
            { id: 'settings.hubUrlHint' },
          )}
        </p>
      </div>
    </div>
  </section>`;
}

/** Which requests go there, and when. */
function destinationText(destination: NetworkDestination): string {
  switch (destination) {
    case 'self':
      return msg(
        'To the site you opened Hermit from: the app itself, its catalogue and its updates. After the first visit the app also starts without a network.',
        { id: 'privacy.self' },
      );
    case 'hub':
      return msg(
        'To Hugging Face (huggingface.co and the hf.co servers it sends files from): only when you search there, open a repository, look at the details of a model, or download, continue or repair one.',
        { id: 'privacy.hub' },
      );
    case 'named':
      return msg(
        'To a server you name yourself: only when you look at a model at its address, or download, continue or repair it.',
        { id: 'privacy.named' },
      );
  }
}
