import { createContext } from '@lit/context';
import type { Services } from './services.ts';

/** How every component reaches the services; `<hermit-app>` provides them. */
export const servicesContext = createContext<Services>(Symbol('hermit-services'));
