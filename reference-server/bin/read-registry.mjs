/**
 * Reads the database of a data folder and prints it to standard output as JSON lines: `[key, text]` for each record, then
 * `[]`, or `[code, message, "error"]` after an error. It is a separate process, since LevelDB aborts the process on some
 * kinds of damage.
 * Arguments: the folder of the database, and `open`, `create` (if it may be missing) or `repair` (before it is read).
 */
import { ClassicLevel } from 'classic-level';

const [, , path, how] = process.argv;
/** Writes to a pipe are synchronous, so that the records read before a crash are not lost. */
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
