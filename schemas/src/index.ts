export * from './envelopes.ts';
export * from './limits.ts';
export * from './openapi.ts';
export * from './problems.ts';
export * from './requirements.gen.ts';
export * from './routes.ts';
export * from './scalars.ts';
