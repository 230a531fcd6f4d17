import { describe, expect, it } from 'vitest';
import { sameOriginScriptUrl } from './trusted-script-urls.ts';

const BASE = 'https://hermit.example/app/';

describe('sameOriginScriptUrl', () => {
  it('resolves script URLs of this origin', () => {
    expect(sameOriginScriptUrl('/assets/store.worker-1.js', BASE)).toBe(
      'https://hermit.example/assets/store.worker-1.js',
    );
    expect(sameOriginScriptUrl('engine.worker.js', BASE)).toBe(
      'https://hermit.example/app/engine.worker.js',
    );
  });

  it.each([
    'https://elsewhere.example/x.js',
    '//elsewhere.example/x.js',
    'http://hermit.example/x.js',
    'https://hermit.example:8443/x.js',
    'data:text/javascript,alert(1)',
    'blob:https://hermit.example/0f0f',
    'javascript:alert(1)',
  ])('refuses %s', (url) => {
    expect(() => sameOriginScriptUrl(url, BASE)).toThrow(TypeError);
  });
});
