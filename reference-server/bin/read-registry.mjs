/**
 * Reads a registry's database and writes what it holds to standard output, a JSON line each: `[key, text]`, at the end
 * `[]`, or `[code, message, "error"]`. A process of its own, since LevelDB ends the process in which it meets some kinds
 * of damage.
 * Arguments: the folder; what to do first: `open`, `create` (also when there is none) or `repair`.
 */
import { ClassicLevel } from 'classic-level';

const [, , path, how] = process.argv;
/** Pipes take it at once, so that what was read is told whatever comes after it. */
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
try {
  if (how === 'repair') await ClassicLevel.repair(path);
  const database = new ClassicLevel(path);
  await database.open({ createIfMissing: how === 'create' });
  for await (const record of database.iterator()) tell(record);
  await database.close();
  tell([]);
} catch (error) {
  const { code, message } = error.cause ?? error;
  tell([String(code), message, 'error']);
}
