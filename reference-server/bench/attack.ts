/** `npm run attack`: runs every attack that the relay must withstand, each against a new relay; or all at once against one. */
import { parseArgs } from 'node:util';
import { ATTACKS } from '../test/attacks/all.ts';
import type { Attack } from '../test/attacks/attack.ts';
import { Control } from '../test/attacks/honest.ts';
import { isBroken, perform, type Outcome } from '../test/attacks/perform.ts';
import { allAtOnce } from '../test/attacks/together.ts';
import { heading, painter, rows } from './attack-table.ts';

const HELP = `attack: attacks a relay on this machine, and measures the relay's load and the effect on an honest client

Usage: npm run attack [-- [NAME…] [flags]]

Examples:
  npm run attack                          run every attack, each against a new relay
  npm run attack -- memory cpu/presence   run the attacks whose names begin with these words
  npm run attack -- --short               run the short versions, as in the tests
  npm run attack -- --all-at-once 60      run all attacks for a minute, against one relay with default limits

  --all-at-once SECONDS   run all attacks at the same time, against one relay with default limits
  --short                 run each attack for a few seconds
  --help

Exit status: 0 if all bounds were kept, 1 if one was broken, 2 if the command line is invalid.

Attacks:
${ATTACKS.map(({ name, about }) => `  ${name.padEnd(32)} ${about}`).join('\n')}
`;

function misuse(message: string): never {
  process.stderr.write(`attack: ${message}; see npm run attack -- --help\n`);
  process.exit(2);
}

function commandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        'all-at-once': { type: 'string' },
        short: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    misuse(error instanceof Error ? error.message : 'the flags cannot be read');
  }
}

const { values, positionals } = commandLine();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const together = values['all-at-once'];
if (together !== undefined && !/^[1-9]\d{0,4}$/.test(together))
  misuse(`--all-at-once takes a number of seconds, not '${together}'`);
for (const name of positionals)
  if (!ATTACKS.some((attack) => attack.name.startsWith(name))) misuse(`no attack is called '${name}'`);
const chosen =
  positionals.length === 0
    ? ATTACKS
    : ATTACKS.filter((attack) => positionals.some((name) => attack.name.startsWith(name)));

/** Show progress: on a terminal in one line that is overwritten, elsewhere in a new line each time. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text.slice(0, process.stderr.columns - 1)}`);
  else if (text !== '' && text !== lastTold) process.stderr.write(`${text}\n`);
  lastTold = text;
}
let lastTold = '';

const paint = painter(process.stdout, process.env);
let broken = 0;

function show(outcome: Outcome): void {
  progress('');
  process.stdout.write(rows(outcome, paint));
  broken += outcome.measured.filter(isBroken).length;
}

function died(name: string, error: unknown): void {
  progress('');
  const reason = error instanceof Error ? error.message : 'it failed';
  process.stdout.write(`${name}\n  ${paint('red', 'FAIL')} ${reason}\n`);
  broken++;
}

async function alone(attack: Attack, place: number, control: Control): Promise<void> {
  const title = `${place + 1}/${chosen.length} ${attack.name}: ${attack.about}`;
  progress(title);
  const tell = (text: string) => process.stderr.isTTY && progress(`${title} · ${text}`);
  try {
    show(await perform(attack, values.short ? 'short' : 'full', control, { tell }));
  } catch (error) {
    died(attack.name, error);
  }
}

process.stdout.write(heading(paint));
if (together === undefined) {
  const control = await Control.start();
  for (const [place, attack] of chosen.entries()) await alone(attack, place, control);
  await control.close();
} else
  try {
    const every = process.stderr.isTTY ? 1 : 10;
    let told = 0;
    show(await allAtOnce(chosen, Number(together), (text) => told++ % every === 0 && progress(text)));
  } catch (error) {
    died('all-at-once', error);
  }
process.stdout.write(
  broken === 0 ? 'attack: every bound was kept\n' : `attack: FAILED, ${broken} bounds broken\n`,
);
process.exit(broken === 0 ? 0 : 1);
