import { describe, expect, it } from 'vitest';
import { AddedHeaders } from './added-headers.ts';

const added = new AddedHeaders(
  [
    { url: 'index.html', headers: { 'Cross-Origin-Opener-Policy': 'same-origin' } },
    { url: 'assets/store.worker-aaaa1111.js', headers: { 'Content-Security-Policy': 'x' } },
    { url: 'icon.svg' },
  ],
  'https://h.example/',
);

describe('AddedHeaders', () => {
  it('adds what a response lacks, and keeps its body and status', async () => {
    const response = added.addTo(
      new Response('page', { status: 203, headers: { 'Content-Type': 'text/html' } }),
      'https://h.example/index.html?x#y',
    );
    expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(response.headers.get('content-type')).toBe('text/html');
    expect(response.status).toBe(203);
    expect(await response.text()).toBe('page');
  });

  it('knows the page of a folder', () => {
    const page = added.addTo(new Response(''), 'https://h.example/?a=b');
    expect(page.headers.has('cross-origin-opener-policy')).toBe(true);
  });

  it('leaves alone what has its headers, needs none, or cannot be copied', () => {
    const own = new Response('', { headers: { 'Cross-Origin-Opener-Policy': 'unsafe-none' } });
    expect(added.addTo(own, 'https://h.example/index.html')).toBe(own);
    const picture = new Response('');
    expect(added.addTo(picture, 'https://h.example/icon.svg')).toBe(picture);
    const failed = Response.error();
    expect(added.addTo(failed, 'https://h.example/index.html')).toBe(failed);
  });

  it('knows the file of another version by its name without the hash', () => {
    const before = added.addTo(
      new Response(''),
      'https://h.example/assets/store.worker-Zz_-9999.js',
    );
    expect(before.headers.get('content-security-policy')).toBe('x');
  });
});
