/** What the components of the widget need beside the services of every page. */
import type { Observable } from '../../common/observable.ts';

export type WidgetStatus =
  | { readonly kind: 'connecting' }
  /** `silent`: whoever shows the frame never introduced itself. */
  | { readonly kind: 'refused'; readonly origin: string | null; readonly reason: RefusedReason }
  /** In a window of its own. */
  | { readonly kind: 'alone' }
  /** In a window that a frame of Hermit opened, to be given a model. */
  | { readonly kind: 'copying' }
  /** `own`: a page of Hermit's own site. */
  | { readonly kind: 'connected'; readonly origin: string; readonly own: boolean };

export type RefusedReason = 'origin' | 'version' | 'silent' | 'sandbox' | 'declined';

export interface WidgetLook {
  readonly theme: 'system' | 'light' | 'dark';
  readonly locale: string | null;
  readonly placeholder: string | null;
  readonly closable: boolean;
  /** What the page suggests: an address or the id of an entry of the catalogue. */
  readonly model: string | null;
}

export type PermissionAnswer = 'once' | 'always' | 'no';

export type PermissionQuestion = { readonly id: number; readonly origin: string } & (
  | { readonly kind: 'connect' | 'api' }
  | {
      readonly kind: 'tool';
      readonly title: string;
      readonly description: string;
      readonly argumentsText: string;
    }
  | {
      readonly kind: 'install';
      readonly name: string;
      readonly host: string;
      readonly bytes: number | null;
      /** The browser has it from another site: nothing is downloaded. */
      readonly shared: boolean;
      /** Whether it goes to a storage of Hermit inside the site, apart from Hermit's own. */
      readonly apart: boolean;
    }
);

export interface WidgetGrants {
  readonly api: boolean;
  readonly tools: readonly string[];
}

export interface WidgetService {
  readonly status: Observable<WidgetStatus>;
  readonly look: Observable<WidgetLook>;
  readonly question: Observable<PermissionQuestion | null>;
  readonly grants: Observable<WidgetGrants>;
  /** A question of the page for the field; the person sends it, or not. */
  readonly preset: Observable<string | null>;
  answer(id: number, answer: PermissionAnswer): void;
  /** Takes back what was allowed. */
  revoke(): void;
  close(): void;
  /** Opens Hermit in a window of its own, to fetch a copy of a model from there. Null where nothing came. */
  fetchFromHermit(): Promise<readonly File[] | null>;
  /** The other side of it: hands files to the frame that opened this window. */
  giveCopy(files: readonly File[]): void;
}
