/** What strangers wrote must not drive the terminal of those who read it. */

/** Strings that end with BEL or ST (OSC, DCS, SOS, PM, APC), control sequences (CSI), and shorter escapes. */
const SEQUENCES =
  // oxlint-disable-next-line no-control-regex
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g;
/** Controls but tab and newline, and what turns the direction of writing. */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** What JSON lets through as it is. */
// oxlint-disable-next-line no-control-regex
const UNESCAPED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const KEY = /k=[\w+/=-]*/g;

/** A text without escapes, controls and overrides of direction; its lines and tabs are kept. */
export function plain(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(SEQUENCES, '').replaceAll(CONTROLS, '');
}

/** As `plain`, on one line. */
export function plainLine(text: string): string {
  return plain(text).replaceAll(/[\n\t\u2028\u2029]+/g, ' ');
}

/** One line for stderr, which holds no room's key. @see SEAL-4 */
export function errorLine(text: string): string {
  return `bot2bot: ${plainLine(text).replaceAll(KEY, 'k=…')}\n`;
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${pairs.map(([name, field]) => `${JSON.stringify(name)}: ${spaced(field)}`).join(', ')}}`;
}

/** JSON on one line, with a space after `:` and `,` as deployed scripts look for it, in which no control is left bare. */
export function jsonLine(value: unknown): string {
  return `${spaced(value).replaceAll(
    UNESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}\n`;
}

/** The same fields with names as they are on the wire. */
export function snakeCase(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      field,
    ]),
  );
}

/** @returns when the line has been taken, so that a slow reader slows the writer. */
export function write(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(line, (error) => (error ? reject(error) : resolve()));
  });
}

export function warn(text: string): void {
  process.stderr.write(errorLine(text.replace(/^bot2bot: /, '')));
}
