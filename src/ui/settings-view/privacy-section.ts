import { msg } from '@lit/localize';
import { html } from 'lit';
import { shieldIcon } from '../icons.ts';

/** Exactly which requests leave the device, and when. */
export function privacySection(): unknown {
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
        <li>
          ${msg(
            'To the site you opened Hermit from: the app itself, its catalogue and its updates. After the first visit the app also starts without a network.',
            {
              id: 'privacy.self',
            },
          )}
        </li>
        <li>
          ${msg(
            'To Hugging Face (huggingface.co and the hf.co servers it sends files from): only when you download a model of the catalogue, continue or repair it.',
            {
              id: 'privacy.hub',
            },
          )}
        </li>
        <li>
          ${msg(
            'To a server you name yourself: only when you add a model by its address, continue or repair it.',
            {
              id: 'privacy.named',
            },
          )}
        </li>
      </ul>
      <p>
        ${msg(
          'Those servers see your IP address and which file you fetch, as with any download. Images and links in answers are never loaded by themselves; a link opens only when you press it.',
          {
            id: 'privacy.limits',
          },
        )}
      </p>
    </div>
  </section>`;
}
