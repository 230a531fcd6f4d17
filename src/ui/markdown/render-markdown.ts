import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { Lexer } from 'marked';
import type { MarkedToken, Token, Tokens } from 'marked';
import { imageIcon } from '../icons.ts';
import { decodeEntities } from './entities.ts';
import { imageHost, safeLink } from './links.ts';
import './code-block.ts';

/**
 * Markdown as Lit templates, built from the tokens of marked's lexer; no HTML text is ever made.
 *
 * Raw HTML is shown as text, images are named and not loaded, links lead only to the web or a mail.
 * Each block is rendered anew only when its raw text (or a link definition it may use) changed.
 */
export function renderMarkdown(text: string): unknown[] {
  const tokens = new Lexer({ gfm: true }).lex(text);
  const definitions = JSON.stringify(tokens.links);
  return tokens
    .filter((token) => token.type !== 'space' && token.type !== 'def')
    .map((token) => guard([token.raw, definitions], () => block(token as MarkedToken)));
}

type Piece = TemplateResult | string | typeof nothing;

// marked types the children of a token as its open union; without extensions they are its own kinds.
const blocks = (tokens: readonly Token[] | undefined): Piece[] =>
  (tokens ?? []).map((token) => block(token as MarkedToken));
const inlines = (tokens: readonly Token[] | undefined): Piece[] =>
  (tokens ?? []).map((token) => inline(token as MarkedToken));

function block(token: MarkedToken): Piece {
  switch (token.type) {
    case 'heading':
      return heading(token);
    case 'paragraph':
      return html`<p>${inlines(token.tokens)}</p>`;
    case 'code':
      return html`<hermit-code-block
        .code=${token.text}
        .language=${decodeEntities(token.lang ?? '').split(/\s/)[0] ?? ''}
      ></hermit-code-block>`;
    case 'blockquote':
      return html`<blockquote>${blocks(token.tokens)}</blockquote>`;
    case 'list':
      return list(token);
    case 'table':
      return table(token);
    case 'hr':
      return html`<hr />`;
    case 'html':
      return html`<p class="raw">${token.text.trimEnd()}</p>`;
    case 'space':
    case 'def':
      return nothing;
    default:
      return inline(token);
  }
}

/** Headings of an answer lie below the page's own: `#` becomes an h3, the deepest an h6. */
function heading(token: Tokens.Heading): Piece {
  const content = inlines(token.tokens);
  switch (token.depth) {
    case 1:
      return html`<h3 class="first">${content}</h3>`;
    case 2:
      return html`<h3>${content}</h3>`;
    case 3:
      return html`<h4>${content}</h4>`;
    case 4:
      return html`<h5>${content}</h5>`;
    default:
      return html`<h6>${content}</h6>`;
  }
}

function list(token: Tokens.List): Piece {
  const items = token.items.map((item) => {
    const content = blocks(item.tokens);
    return item.task ? html`<li class="task">${content}</li>` : html`<li>${content}</li>`;
  });
  return token.ordered
    ? html`<ol start=${String(token.start)}>
        ${items}
      </ol>`
    : html`<ul>
        ${items}
      </ul>`;
}

function table(token: Tokens.Table): Piece {
  const align = (cell: Tokens.TableCell): string => `align-${cell.align ?? 'start'}`;
  // tabindex: a table wider than the phone must be scrollable with the keyboard too.
  return html`<div
    class="table"
    role="region"
    tabindex="0"
    aria-label=${msg('Table', { id: 'markdown.table' })}
  >
    <table>
      <thead>
        <tr>
          ${token.header.map(
            (cell) => html`<th scope="col" class=${align(cell)}>${inlines(cell.tokens)}</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${token.rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td class=${align(cell)}>${inlines(cell.tokens)}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function inline(token: MarkedToken): Piece {
  switch (token.type) {
    case 'text':
      if ('tokens' in token && token.tokens !== undefined) return html`${inlines(token.tokens)}`;
      return decodeEntities(token.text);
    case 'escape':
      return token.text;
    case 'strong':
      return html`<strong>${inlines(token.tokens)}</strong>`;
    case 'em':
      return html`<em>${inlines(token.tokens)}</em>`;
    case 'del':
      return html`<del>${inlines(token.tokens)}</del>`;
    case 'codespan':
      return html`<code>${token.text}</code>`;
    case 'br':
      return html`<br />`;
    case 'link':
      return link(token);
    case 'image':
      return image(token);
    case 'checkbox':
      return checkbox(token.checked);
    case 'html':
      // Inline tags are typed by the model: they are shown, never obeyed.
      return token.text;
    default:
      return token.raw;
  }
}

function checkbox(checked: boolean): Piece {
  const label = checked
    ? msg('Done', { id: 'markdown.taskDone' })
    : msg('To do', { id: 'markdown.taskOpen' });
  return html`<input type="checkbox" disabled .checked=${checked} aria-label=${label} />`;
}

function link(token: Tokens.Link | Tokens.Tag): Piece {
  if (!('href' in token)) return token.text;
  const target = safeLink(token.href);
  if (target === null) {
    const shown = inlines(token.tokens);
    return html`${shown}${token.text === token.href ? nothing : ` (${decodeEntities(token.href)})`}`;
  }
  return html`<a
    href=${target.href}
    title=${target.host}
    target="_blank"
    rel="noopener noreferrer nofollow"
    >${inlines(token.tokens)}</a
  >`;
}

function image(token: Tokens.Image): Piece {
  const host = imageHost(token.href);
  const words = decodeEntities(token.text);
  const label =
    host === null
      ? msg('Image not loaded', { id: 'markdown.image' })
      : msg(str`Image from ${host} not loaded`, { id: 'markdown.imageFrom' });
  return html`<span class="image"
    >${imageIcon}<span>${words === '' ? label : `${words} · ${label}`}</span></span
  >`;
}
