export { systemClock, type Clock } from './clock.ts';
export { DEFAULT_CONFIG, type Config } from './config.ts';
export { createRelay, type RunningRelay } from './server.ts';
