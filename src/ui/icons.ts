import { html, svg } from 'lit';
import type { SVGTemplateResult, TemplateResult } from 'lit';

/**
 * Hermit's own icons: strokes of 1.75 on a grid of 24, coloured by the text around them.
 *
 * They carry no meaning of their own (`aria-hidden`); the control that shows one names it.
 */
const icon = (paths: SVGTemplateResult): TemplateResult => html`
  <svg
    class="icon"
    width="20"
    height="20"
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="1.75"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
    focusable="false"
  >
    ${paths}
  </svg>
`;

export const newChatIcon = icon(
  svg`<path d="M12 5H7a3 3 0 0 0-3 3v9a3 3 0 0 0 3 3h9a3 3 0 0 0 3-3v-5"/><path d="M18.4 3.6a1.7 1.7 0 0 1 2.4 2.4L13 13.800l-3.4 1 1-3.400z"/>`,
);
export const menuIcon = icon(svg`<path d="M4 8h16M4 16h11"/>`);
export const sidebarIcon = icon(
  svg`<rect x="3.5" y="4.5" width="17" height="15" rx="3"/><path d="M9.5 4.500v15"/>`,
);
export const closeIcon = icon(svg`<path d="M6 6l12 12M18 6L6 18"/>`);
export const chevronDownIcon = icon(svg`<path d="M7 10l5 5 5-5"/>`);
export const chevronLeftIcon = icon(svg`<path d="M14 7l-5 5 5 5"/>`);
export const chevronRightIcon = icon(svg`<path d="M10 7l5 5-5 5"/>`);
export const arrowDownIcon = icon(svg`<path d="M12 5v14M6.5 13.500L12 19l5.5-5.5"/>`);
export const sendIcon = icon(svg`<path d="M12 19V5M6 11l6-6 6 6"/>`);
export const stopIcon = icon(
  svg`<rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor" stroke="none"/>`,
);
export const copyIcon = icon(
  svg`<rect x="9" y="9" width="11" height="11" rx="2.5"/><path d="M5.5 15A1.5 1.5 0 0 1 4 13.500v-7A2.5 2.5 0 0 1 6.5 4h7A1.5 1.5 0 0 1 15 5.5"/>`,
);
export const checkIcon = icon(svg`<path d="M5 12.500l4.5 4.500L19 7.5"/>`);
export const retryIcon = icon(
  svg`<path d="M19.5 12a7.5 7.5 0 1 1-2.3-5.400L20 9"/><path d="M20 4.500V9h-4.5"/>`,
);
export const pencilIcon = icon(
  svg`<path d="M4 20l1-4L16.2 4.800a2 2 0 0 1 3 3L8 19z"/><path d="M14 7l3 3"/>`,
);
export const trashIcon = icon(
  svg`<path d="M5 7h14M10 4h4M7 7l.8 11.200a2 2 0 0 0 2 1.800h4.400a2 2 0 0 0 2-1.800L17 7M10.3 11v5M13.7 11v5"/>`,
);
export const moreIcon = icon(svg`<path d="M6 12h.01M12 12h.01M18 12h.01" stroke-width="2.6"/>`);
export const modelsIcon = icon(
  svg`<path d="M12 3.500l8 4.2-8 4.2-8-4.200z"/><path d="M4 12l8 4.2 8-4.200M4 16.300l8 4.2 8-4.2"/>`,
);
export const settingsIcon = icon(
  svg`<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>`,
);
export const lockIcon = icon(
  svg`<rect x="5" y="10.5" width="14" height="9.5" rx="2.5"/><path d="M8.5 10.500V8a3.5 3.5 0 0 1 7 0v2.5"/>`,
);
export const deviceIcon = icon(
  svg`<rect x="4" y="5" width="16" height="11" rx="2"/><path d="M2.5 19.500h19"/>`,
);
export const offlineIcon = icon(
  svg`<path d="M4 4l16 16M8.8 14.600a5 5 0 0 1 5.4-.9M5.5 11.200a10 10 0 0 1 4.3-2.500M13.3 8.100a10 10 0 0 1 5.2 3.100M12 18.500h.01"/>`,
);
export const linkIcon = icon(
  svg`<path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.300l-1 1"/><path d="M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.700l1-1"/>`,
);
export const fileIcon = icon(
  svg`<path d="M13.5 3.500H8a2.5 2.5 0 0 0-2.5 2.500v12A2.5 2.5 0 0 0 8 20.500h8a2.5 2.5 0 0 0 2.5-2.500V8.500z"/><path d="M13.5 3.500v5h5M12 17v-5M9.7 14.200L12 12l2.3 2.2"/>`,
);
export const folderIcon = icon(
  svg`<path d="M3.5 7A1.5 1.5 0 0 1 5 5.500h4l2 2.500h8A1.5 1.5 0 0 1 20.500 9.500v8A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.500-1.500z"/>`,
);
export const shelfIcon = icon(
  svg`<path d="M5 4.500h3.500v12H5zM8.5 7.500H12v9H8.500zM13.2 7.300l3.3-1 3 9.8-3.3 1zM3.5 19.500h17"/>`,
);
export const downloadIcon = icon(svg`<path d="M12 4v11M7 10.500l5 5 5-5M5 20h14"/>`);
export const pauseIcon = icon(svg`<path d="M9 6v12M15 6v12" stroke-width="2.4"/>`);
export const playIcon = icon(svg`<path d="M8 5.500v13l10.5-6.500z"/>`);
export const shieldIcon = icon(
  svg`<path d="M12 3.500l7 2.500v5.500c0 4.5-3 7.4-7 9-4-1.6-7-4.5-7-9V6z"/><path d="M9 12l2.2 2.200L15.2 10"/>`,
);
export const warningIcon = icon(svg`<path d="M12 4.500l8.5 15h-17zM12 10v4.500M12 17.200h.01"/>`);
export const infoIcon = icon(svg`<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5M12 8h.01"/>`);
export const gaugeIcon = icon(svg`<path d="M4.5 17a8.5 8.5 0 1 1 15 0M12 13l3.5-4"/>`);
export const leafIcon = icon(
  svg`<path d="M19.500 4.500c-8.500-.5-14 2.700-14 8.700 0 3.400 2.400 5.800 5.500 5.800 6 0 9-5.500 8.500-14.500z"/><path d="M4.500 20.500c1.500-4.500 4.500-7.500 9-9.500"/>`,
);
export const imageIcon = icon(
  svg`<rect x="4" y="5" width="16" height="14" rx="2.5"/><path d="M4.5 16l4.5-4 4 3.5 2.5-2 4 3.5"/><circle cx="9" cy="9" r="1.2"/>`,
);
export const externalIcon = icon(
  svg`<path d="M11 5H7.500A2.5 2.5 0 0 0 5 7.500v9A2.5 2.5 0 0 0 7.5 19h9a2.5 2.5 0 0 0 2.5-2.500V13M14 4.500h5.500V10M19 5l-8 8"/>`,
);
export const shrinkIcon = icon(
  svg`<path d="M20 4l-6 6M14 5.500V10h4.500M4 20l6-6M10 18.500V14H5.500"/>`,
);
export const sparkIcon = icon(
  svg`<path d="M12 4c.6 4.6 2.8 6.8 7.5 7.5-4.7.7-6.9 2.9-7.5 7.5-.6-4.6-2.8-6.8-7.5-7.500C9.2 10.8 11.4 8.6 12 4z"/>`,
);
export const spinnerIcon = html`<svg
  class="icon spinner"
  width="20"
  height="20"
  viewBox="0 0 24 24"
  fill="none"
  stroke="currentColor"
  stroke-width="2.25"
  stroke-linecap="round"
  aria-hidden="true"
  focusable="false"
>
  <circle cx="12" cy="12" r="8" opacity="0.25" />
  <path d="M12 4a8 8 0 0 1 8 8" />
</svg>`;

/** The mark: a doorway that is a shell. Its whorl shows the ground it stands on (`--mark-ground`). */
export const hermitMark = html`<svg
  class="mark"
  viewBox="0 0 48 48"
  fill="none"
  aria-hidden="true"
  focusable="false"
>
  <path
    fill="currentColor"
    d="M24 4C14 4 6 12 6 23v17a4 4 0 0 0 4 4h28a4 4 0 0 0 4-4V23C42 12 34 4 24 4z"
  />
  <path
    class="whorl"
    stroke-width="3.25"
    stroke-linecap="round"
    d="M33 44V26.5a9 9 0 0 0-18 0 6.5 6.5 0 0 0 13 .5 3.8 3.8 0 0 0-7-1"
  />
</svg>`;
export const thinkingIcon = icon(
  svg`<path d="M9.500 18.500h5M10.300 21h3.400"/><path d="M12 3.500a6 6 0 0 0-3.600 10.800c.7.6 1.100 1.300 1.100 2.200h5c0-.9.4-1.600 1.100-2.200A6 6 0 0 0 12 3.500z"/>`,
);
export const toolIcon = icon(
  svg`<path d="M14.500 6.500a4 4 0 0 1 5-2.300l-2.700 2.700 1.300 2.200 2.200 0 .2-.2a4 4 0 0 1-5.300 3.600L8.300 19.400a2.100 2.100 0 0 1-3-3l6.900-6.900a4 4 0 0 1 2.300-3z"/>`,
);
