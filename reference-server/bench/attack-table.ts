/** The table of `npm run attack`: a row for each attack, and a line for each of its bounds. */
import type { WriteStream } from 'node:tty';
import { isBroken, type Outcome } from '../test/attacks/perform.ts';

const NAME = 34;
const MIB = 1 << 20;

type Colour = 'red' | 'green' | 'dim' | 'bold';
const CODES: Readonly<Record<Colour, number>> = { red: 31, green: 32, dim: 2, bold: 1 };

/** Colours text for a terminal, unless NO_COLOR is set. */
export function painter(stream: Pick<WriteStream, 'isTTY'>, env: NodeJS.ProcessEnv) {
  const colours = stream.isTTY && (env['NO_COLOR'] ?? '') === '';
  return (colour: Colour, text: string) => (colours ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text);
}

type Paint = ReturnType<typeof painter>;

const cells = (name: string, figures: readonly string[], widths: readonly number[]) =>
  `${name.padEnd(NAME)}${figures.map((text, i) => text.padStart(widths[i] ?? 0)).join('')}`;
const WIDTHS = [10, 8, 9, 10, 7, 9, 9];

export function heading(paint: Paint): string {
  const above = `${''.padEnd(NAME)}${'  relay'.padEnd(18)}  honest client`;
  const names = ['MiB more', 'CPU s', 'sent', 'received', 'lost', 'p50 ms', 'p99 ms'];
  return `${paint('dim', above)}\n${paint('bold', cells('attack', names, WIDTHS))}\n`;
}

/** The row of an attack, then a line for each bound: the measured value, the bound, and how the bound is derived. */
export function rows({ attack, cost, honest, measured }: Outcome, paint: Paint): string {
  const figures = [
    String(Math.round(cost.grown / MIB)),
    cost.processorSeconds.toFixed(1),
    String(honest.accepted),
    String(honest.received),
    String(honest.lost),
    honest.p50.toFixed(1),
    honest.p99.toFixed(1),
  ];
  const lines = measured.map((one) => {
    const verdict = isBroken(one) ? paint('red', 'FAIL') : paint('green', 'ok  ');
    const { what, value, bound, unit, from } = one;
    const most = bound === Infinity ? '' : `, at most ${bound}`;
    return `  ${verdict} ${what}: ${value}${most} ${unit}  ${paint('dim', `<- ${from}`)}`;
  });
  return `${paint('bold', cells(attack.name, figures, WIDTHS))}\n${lines.join('\n')}\n`;
}
