import { ClassicLevel } from 'classic-level';
import {
  databaseOf,
  inconsistency,
  MARK_KEY,
  StoreError,
  readContents,
  unusableFolder,
  type Inspected,
} from './inspect.ts';
import { digestOf, readWitness, writeWitness, type Mark } from './witness.ts';

/** A write that waits for its commit. With `text` null the record is deleted. */
interface Change {
  readonly key: string;
  readonly text: string | null;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

/**
 * A key-value database that detects the loss of records. Writes that arrive during a commit are grouped into the next one.
 * A commit is one atomic, synced batch that also rewrites the mark: the number of commits and the XOR of the digests of all
 * records. After the batch, the same mark is written to the witness, a file beside the database. If records were lost, the
 * database contradicts its mark; if the last commits were lost, it contradicts the witness.
 */
export class Ledger {
  readonly #folder: string;
  readonly #database: ClassicLevel<string, string>;
  #mark: Mark;
  #waiting: Change[] = [];
  #isCommitting = false;
  #committed: Promise<void> = Promise.resolve();
  /** The last commit failed or has not ended: it is unknown whether it is on disk. */
  #isUncertain = false;

  private constructor(folder: string, database: ClassicLevel<string, string>, mark: Mark) {
    this.#folder = folder;
    this.#database = database;
    this.#mark = mark;
  }

  /**
   * Open the database of a folder for writing.
   * @param inspected intact, or the result of `salvage`.
   * @param isSalvaged the mark and the witness are rewritten to match the records that are left.
   * @param dropped keys of records to delete, when there is no mark yet or it is rewritten.
   * @throws {StoreError}
   */
  static async open(inspected: Inspected, isSalvaged: boolean, dropped: readonly string[]): Promise<Ledger> {
    const { folder, records, commits } = inspected;
    const database = new ClassicLevel<string, string>(databaseOf(folder));
    try {
      await database.open();
      if (inspected.mark !== null && !isSalvaged) return new Ledger(folder, database, inspected.mark);
      const gone = dropped.map((key) => ({ type: 'del' as const, key }));
      for (const key of dropped) records.delete(key);
      const isFirst = records.size === 0 && !isSalvaged;
      const mark = { n: commits + (isFirst ? 0 : 1), digest: digestOf(records) };
      // In a folder without a mark, the witness is written first: a witness alone shows that a crash cut this step short.
      if (!isSalvaged) await writeWitness(folder, mark);
      await database.batch([...gone, { type: 'put', key: MARK_KEY, value: JSON.stringify(mark) }], {
        sync: true,
      });
      if (isSalvaged) await writeWitness(folder, mark);
      return new Ledger(folder, database, mark);
    } catch (error) {
      throw unusableFolder(folder, error);
    }
  }

  /** Store a text, or delete the record with null. Resolves when it is durable. @throws {StoreError} */
  put(key: string, text: string | null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, text, resolve, reject });
      if (!this.#isCommitting) this.#committed = this.#commitAll();
    });
  }

  async close(): Promise<void> {
    await this.#committed;
    await this.#database.close();
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    while (this.#waiting.length > 0) {
      const changes = this.#waiting.splice(0);
      try {
        await this.#commit(new Map(changes.map(({ key, text }) => [key, text])));
        for (const { resolve } of changes) resolve();
      } catch (cause) {
        const error = new StoreError('a write to the data folder failed', { cause });
        for (const { reject } of changes) reject(error);
      }
    }
    this.#isCommitting = false;
  }

  async #commit(changes: ReadonlyMap<string, string | null>): Promise<void> {
    if (this.#isUncertain) await this.#reopen();
    const keys = [...changes.keys()];
    const before = await this.#database.getMany(keys);
    const changed = [...keys.map((key, i) => [key, before[i]] as const), ...changes].filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    const mark = { n: this.#mark.n + 1, digest: digestOf(changed, this.#mark.digest) };
    this.#isUncertain = true;
    await this.#database.batch(
      [...changes, [MARK_KEY, JSON.stringify(mark)] as const].map(([key, value]) =>
        value === null ? { type: 'del', key } : { type: 'put', key, value },
      ),
      { sync: true },
    );
    await writeWitness(this.#folder, mark);
    this.#mark = mark;
    this.#isUncertain = false;
  }

  /** Reopen the database, since LevelDB refuses all writes after one that failed, and read the mark that it has now. */
  async #reopen(): Promise<void> {
    await this.#database.close();
    await this.#database.open({ createIfMissing: false });
    const found = await readContents(this.#database);
    const damage = inconsistency(found, readWitness(this.#folder));
    if (damage !== null || !found.mark) throw new Error(damage ?? 'its mark is missing');
    this.#mark = found.mark;
    this.#isUncertain = false;
  }
}
