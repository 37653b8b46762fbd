/**
 * `npm run mutant -- MSG-25` or `MSG-25/word`: runs the mutants of a rule, and prints the rules that each breaks. Fails if a
 * mutant survives, or breaks other rules than its entry lists.
 */
import { REQUIREMENTS } from '@bot2bot/schemas';
import { stop } from 'esbuild';
import { MUTANTS } from '../mutants/mutants.ts';
import { kill } from '../test/kill.ts';

const [, , word = ''] = process.argv;

function give(message: string): never {
  process.stderr.write(`mutant: ${message}\n`);
  process.exit(2);
}

if (word === '') give('name a rule, such as MSG-25, or a mutant, such as MSG-3/seq-twice');
const rule = word.split('/')[0] ?? '';
const requirement = REQUIREMENTS.find(({ id }) => id === rule);
if (requirement === undefined) give(`there is no rule ${rule}`);
const ofRule = MUTANTS.filter(({ id }) => id.startsWith(`${rule}/`));
const chosen = ofRule.filter(({ id }) => id === word || rule === word);
if (chosen.length === 0)
  give(
    ofRule.length === 0
      ? `${rule} has no mutant yet: add one to conformance/mutants`
      : `there is no mutant ${word}; those of ${rule} are ${ofRule.map(({ id }) => id).join(', ')}`,
  );

process.stdout.write(`${rule}: ${requirement.sentence}\n`);
for (const mutant of chosen) {
  const begun = performance.now();
  const { broken, flaws } = await kill(mutant);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  process.stdout.write(`${flaws.length === 0 ? 'killed' : 'NOT AS LISTED'}  ${mutant.id}  (${seconds} s)\n`);
  for (const each of broken) process.stdout.write(`  ${each.rule} fails in ${each.checks.join(', ')}\n`);
  for (const flaw of flaws) process.stdout.write(`  but ${flaw}\n`);
  if (flaws.length > 0) process.exitCode = 1;
}
// The bundler of the relays keeps the process alive.
await stop();
