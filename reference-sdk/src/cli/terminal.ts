/** Output that is safe for a terminal: messages are untrusted and must not send it control sequences. */

/** Strings that end with BEL or ST (OSC, DCS, SOS, PM, APC), control sequences (CSI), and shorter escapes. */
const SEQUENCES =
  // oxlint-disable-next-line no-control-regex
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g;
/** Control characters except tab and newline, and those that change the writing direction. */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Control and direction characters that JSON.stringify does not escape. */
// oxlint-disable-next-line no-control-regex
const UNESCAPED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const KEY = /k=[\w+/=-]*/g;

/** Remove escape sequences, control characters and direction overrides; keep newlines and tabs. */
export function plain(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(SEQUENCES, '').replaceAll(CONTROLS, '');
}

/** As `plain`, joined into one line. */
export function plainLine(text: string): string {
  return plain(text).replaceAll(/[\n\t\u2028\u2029]+/g, ' ');
}

/** One line for stderr; the key of a room is masked. @see SEAL-4 */
export function errorLine(text: string): string {
  return `bot2bot: ${plainLine(text).replaceAll(KEY, 'k=…')}\n`;
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${pairs.map(([name, field]) => `${JSON.stringify(name)}: ${spaced(field)}`).join(', ')}}`;
}

/** JSON on one line. Deployed scripts expect the space after `:` and `,`. Control characters are escaped. */
export function jsonLine(value: unknown): string {
  return `${spaced(value).replaceAll(
    UNESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}\n`;
}

/** Convert the names of the fields from camelCase to snake_case. */
export function snakeCase(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      field,
    ]),
  );
}

/** Write to stdout. It resolves when the data is flushed, so that a slow reader slows the writer. */
export function write(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(line, (error) => (error ? reject(error) : resolve()));
  });
}

export function warn(text: string): void {
  process.stderr.write(errorLine(text.replace(/^bot2bot: /, '')));
}
