/** A payload is a JSON object with a field `bot2bot_<kind>_v<n>: true`. It carries data between clients; it is never a task. */
const MARKER = /^bot2bot_[a-z_]+_v\d+$/;
const TEXT = 'bot2bot_text_v1';

/**
 * The text to show for a message.
 * @returns null for a payload. A text that would look like a payload is sent inside `bot2bot_text_v1`; it is unwrapped.
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
