/** JSON that means the same, with its keys in another order, other white space, and escapes. */
import type { Alteration } from './proxy.ts';

/** One letter in so many is escaped, or answers would grow beyond what the suite reads. */
const ESCAPED = 3;

function escaped(letter: string, at: number): string {
  if (letter === '/') return '\\/';
  if (!/[a-z0-9]/i.test(letter) || at % ESCAPED > 0) return JSON.stringify(letter).slice(1, -1);
  const digits = letter.charCodeAt(0).toString(16).padStart(4, '0');
  return `\\u${at % 2 === 0 ? digits.toUpperCase() : digits}`;
}

/** Pairs of surrogates stay together; a lone one is escaped by `JSON.stringify`. */
const textOf = (value: string) => `"${Array.from(value, escaped).join('')}"`;

function written(value: unknown): string {
  if (typeof value === 'string') return textOf(value);
  if (Array.isArray(value)) return `[ ${value.map(written).join(' ,\n')}\t]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).reverse();
  return `{\n ${entries.map(([key, inner]) => `${textOf(key)} :\t${written(inner)}`).join(' ,\n')} }`;
}

/** Writes every answer and frame that is JSON anew. */
export const REWRITTEN: Alteration = {
  concerns: () => true,
  json: (text) => {
    try {
      return written(JSON.parse(text));
    } catch {
      return text;
    }
  },
  eventId: (id) => id,
};
