import { createHash } from 'node:crypto';

/** 32 bytes derived from a seed. */
export const bytes = (seed: string) => createHash('sha256').update(`bot2bot vector ${seed}`).digest();
export const base64 = (data: Uint8Array) => Buffer.from(data).toString('base64');
export const urlSafe = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_');
