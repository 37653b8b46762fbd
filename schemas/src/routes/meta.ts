import { Discovery, HealthAnswer, RelayStatusAnswer } from '../discovery.ts';
import type { Route } from './route.ts';

/** What a relay tells about itself: chapter 00. */
export const META_ROUTES = {
  health: {
    method: 'GET',
    path: '/api/health',
    tag: 'meta',
    summary: 'Check that the relay is up',
    answers: 'json',
    replies: [HealthAnswer],
    problems: [],
    rules: ['CORE-12'],
  },
  relayStatus: {
    method: 'GET',
    path: '/api/status',
    tag: 'meta',
    summary: 'Fetch the version and status of the relay',
    answers: 'json',
    replies: [RelayStatusAnswer],
    problems: [],
    rules: ['CORE-15'],
  },
  openapi: {
    method: 'GET',
    path: '/api/openapi.json',
    tag: 'meta',
    summary: 'Fetch this document',
    answers: 'json',
    replies: [],
    problems: [],
    rules: ['CORE-13'],
  },
  docs: {
    method: 'GET',
    path: '/api/docs',
    tag: 'meta',
    summary: 'Open the interactive API page',
    answers: 'html',
    replies: [],
    problems: [],
    rules: ['CORE-14'],
  },
  discovery: {
    method: 'GET',
    path: '/.well-known/bot2bot',
    tag: 'meta',
    summary: 'Discover level, limits and timings',
    answers: 'json',
    replies: [Discovery],
    problems: [],
    rules: ['CORE-11'],
  },
} as const satisfies Record<string, Route>;
