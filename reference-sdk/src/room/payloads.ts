/** A payload is one JSON object with a field `bot2bot_<kind>_v<n>` that is true; it is for clients, and never a task. */
const MARKER = /^bot2bot_[a-z_]+_v\d+$/;
const TEXT = 'bot2bot_text_v1';

/**
 * What a text says to its reader.
 * @returns null for a payload; the text inside for one that was wrapped because it reads like a payload.
 */
export function readable(text: string): string | null {
  if (!text.trimStart().startsWith('{')) return text;
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return text;
  }
  if (value[TEXT] === true && typeof value['text'] === 'string') return value['text'];
  return Object.entries(value).some(([name, set]) => set === true && MARKER.test(name)) ? null : text;
}
