// @vitest-environment happy-dom
import { render } from 'lit';
import { describe, expect, it } from 'vitest';
import type { CodeBlock } from './code-block.ts';
import { markdownCorpus } from './corpus.test-data.ts';
import { serialize } from './dom-text.test-data.ts';
import { renderMarkdown } from './render-markdown.ts';
import './markdown-view.ts';
import type { MarkdownView } from './markdown-view.ts';

function show(text: string): HTMLElement {
  const place = document.createElement('div');
  render(renderMarkdown(text), place);
  return place;
}

async function settled(view: MarkdownView): Promise<string> {
  await view.updateComplete;
  const blocks = view.renderRoot.querySelectorAll<CodeBlock>('hermit-code-block');
  await Promise.all([...blocks].map((block) => block.updateComplete));
  return serialize(view);
}

async function oneShot(text: string, streaming: boolean): Promise<string> {
  const view = document.createElement('hermit-markdown');
  view.text = text;
  view.streaming = streaming;
  document.body.append(view);
  const shown = await settled(view);
  view.remove();
  return shown;
}

describe('streamed Markdown', () => {
  it.each(markdownCorpus.map((text, index) => [index, text] as const))(
    'ends as a one-shot render does, wherever corpus text %i is cut',
    async (_index, text) => {
      const whole = await oneShot(text, false);
      expect(whole.length).toBeGreaterThan(text.length);
      for (let cut = 0; cut <= text.length; cut++) {
        const view = document.createElement('hermit-markdown');
        document.body.append(view);
        view.streaming = true;
        view.text = text.slice(0, cut);
        await view.updateComplete;
        view.streaming = false;
        view.text = text;
        expect(await settled(view), `cut at ${String(cut)}`).toBe(whole);
        view.remove();
      }
    },
  );

  it.each(markdownCorpus.map((text, index) => [index, text] as const))(
    'shows each prefix of corpus text %i as if nothing had come before',
    async (_index, text) => {
      const view = document.createElement('hermit-markdown');
      document.body.append(view);
      view.streaming = true;
      for (let length = 0; length <= text.length; length += 3) {
        const prefix = text.slice(0, length);
        view.text = prefix;
        expect(await settled(view), JSON.stringify(prefix)).toBe(await oneShot(prefix, true));
      }
      view.remove();
    },
  );

  it('leaves the elements of finished blocks alone', async () => {
    const view = document.createElement('hermit-markdown');
    document.body.append(view);
    view.streaming = true;
    view.text = 'First block.\n\nSecond';
    await view.updateComplete;
    const first = view.renderRoot.querySelector('.markdown > p');
    view.text += ' block goes on.\n\n- and a list';
    await view.updateComplete;
    expect(view.renderRoot.querySelector('.markdown > p')).toBe(first);
    view.remove();
  });
});

describe('hostile Markdown', () => {
  const allowed = new Set(
    'p h3 h4 h5 h6 strong em del code br a ul ol li blockquote hr div table thead tbody tr th td input span svg path rect circle hermit-code-block'.split(
      ' ',
    ),
  );

  it.each(markdownCorpus)('makes only known elements, and no handlers or sources', (text) => {
    for (const element of show(text).querySelectorAll('*')) {
      expect(allowed).toContain(element.localName);
      for (const { name } of element.attributes)
        expect(name).not.toMatch(/^on|^src|^style|^srcset/);
    }
  });

  it('shows raw HTML as text', () => {
    const place = show('<script>alert(1)</script>\n\nx <img src=x onerror=y>');
    expect(place.textContent).toContain('<script>alert(1)</script>');
    expect(place.textContent).toContain('<img src=x onerror=y>');
    expect(place.querySelector('script, img')).toBeNull();
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java&#115;cript:alert(1)',
    '&#x6A;avascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://x/y',
    '/local',
    '#fragment',
    '//host/path',
    'https:evil',
  ])('keeps a link to %s as text', (href) => {
    const place = show(`see [words](<${href}>) here`);
    expect(place.querySelector('a')).toBeNull();
    expect(place.textContent).toContain('words');
  });

  it('opens good links apart, without a referrer, and names their host', () => {
    const link = show('[words](https://example.com:8443/a?b=1&amp;c=2)').querySelector('a');
    expect(link?.getAttribute('href')).toBe('https://example.com:8443/a?b=1&c=2');
    expect(link?.getAttribute('target')).toBe('_blank');
    expect(link?.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    expect(link?.getAttribute('title')).toBe('example.com:8443');
    expect(show('<m@example.com>').querySelector('a')?.getAttribute('href')).toBe(
      'mailto:m@example.com',
    );
  });

  it('names the host of an image and loads nothing, by reference too', () => {
    const place = show(
      '![a crab](https://img.example/x.png) ![b][r]\n\n[r]: https://ref.example/y.png',
    );
    expect(place.querySelector('img, picture, source')).toBeNull();
    expect(place.textContent).toContain('a crab · Image from img.example not loaded');
    expect(place.textContent).toContain('b · Image from ref.example not loaded');
  });
});

describe('text of Markdown', () => {
  it.each([
    ['&amp; &lt;b&gt; &copy; &#169; &#xA9;', '& <b> © © ©'],
    ['AT&T &nosuch; &amp', 'AT&T &nosuch; &amp'],
    ['\\& \\* \\\\ "q" \'s\'', '& * \\ "q" \'s\''],
    ['`&amp; <b>`', '&amp; <b>'],
    ['&amp;lt;', '&lt;'],
  ])('shows %s as %s', (text, shown) => {
    expect(show(text).textContent.trim()).toBe(shown);
  });

  it('hands code to its block as it was written', () => {
    const block = show('```c&plus;&plus; x\nif (a < b && c) "&amp;";\n```').querySelector(
      'hermit-code-block',
    );
    expect(block?.language).toBe('c++');
    expect(block?.code).toBe('if (a < b && c) "&amp;";');
  });

  it('starts an ordered list where the text does', () => {
    expect(show('7. seven\n8. eight').querySelector('ol')?.getAttribute('start')).toBe('7');
  });
});
