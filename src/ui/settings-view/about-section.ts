import { msg } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatNumber } from '../format.ts';
import type { DeviceView } from '../services.ts';

/** Version, licence, and what was found out about this device. */
export function aboutSection(
  version: string,
  device: DeviceView | null,
  update: 'none' | 'ready' | 'waiting',
): unknown {
  return html`<section aria-labelledby="about">
    <h2 id="about">${msg('About', { id: 'settings.about' })}</h2>
    <dl class="card">
      ${row(
        msg('Version', { id: 'about.version' }),
        update === 'none'
          ? version
          : html`${version} · ${msg('an update is waiting', { id: 'about.updateWaiting' })}`,
      )}
      ${row(
        msg('Licence', { id: 'catalog.licence' }),
        msg('Apache-2.0, free and open', { id: 'about.licence' }),
      )}
      ${device === null ? nothing : deviceRows(device)}
    </dl>
  </section>`;
}

function deviceRows(device: DeviceView): unknown {
  const simd = {
    relaxed: msg('relaxed SIMD, the fastest', { id: 'about.simdRelaxed' }),
    plain: msg('SIMD', { id: 'about.simdPlain' }),
    none: msg('no SIMD; answers will be slow', { id: 'about.simdNone' }),
  }[device.simd];
  const yesNo = (value: boolean): string =>
    value ? msg('yes', { id: 'common.yes' }) : msg('no', { id: 'common.no' });
  return html`
    ${row(msg('Processor cores', { id: 'about.cores' }), formatNumber(device.cores))}
    ${row(msg('Vector instructions', { id: 'about.simd' }), simd)}
    ${row('WebGPU', yesNo(device.webgpu))}
    ${row(msg('Shared memory between threads', { id: 'about.isolated' }), yesNo(device.sharedMemory))}
  `;
}

function row(name: string, value: unknown): unknown {
  return html`<div class="setting">
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}
