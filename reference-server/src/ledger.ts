import { ClassicLevel } from 'classic-level';
import {
  databaseOf,
  disagreement,
  MARK_KEY,
  StoreError,
  survey,
  unusable,
  type Inspected,
} from './inspect.ts';
import { digestOf, readWitness, writeWitness, type Mark } from './witness.ts';

/** What is to stand for a key; null: nothing. */
interface Change {
  readonly key: string;
  readonly text: string | null;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

/**
 * Records in a database that can tell whether any is missing. What is put while a commit is under way goes into the
 * next one together. Each is a batch, which reaches the disk as a whole, with a mark in it: how many commits there were,
 * and the XOR of the digests of all records. Then a witness beside the database repeats the mark. A database that lost
 * records disagrees with its mark, one that lost its last commits with the witness.
 */
export class Ledger {
  readonly #folder: string;
  readonly #database: ClassicLevel<string, string>;
  #mark: Mark;
  #waiting: Change[] = [];
  #isCommitting = false;
  #committed: Promise<void> = Promise.resolve();
  /** A commit failed, so that what is on disk is not known. */
  #isUnsure = false;

  private constructor(folder: string, database: ClassicLevel<string, string>, mark: Mark) {
    this.#folder = folder;
    this.#database = database;
    this.#mark = mark;
  }

  /**
   * @param inspected without damage, or salvaged.
   * @param isSalvaged the records that are there are all that there are.
   * @param dropped keys of records that are to go.
   * @throws {StoreError}
   */
  static async begin(inspected: Inspected, isSalvaged: boolean, dropped: readonly string[]): Promise<Ledger> {
    const { folder, records, commits } = inspected;
    const database = new ClassicLevel<string, string>(databaseOf(folder));
    try {
      await database.open();
      if (inspected.mark !== null && !isSalvaged) return new Ledger(folder, database, inspected.mark);
      const gone = dropped.map((key) => ({ type: 'del' as const, key }));
      for (const key of dropped) records.delete(key);
      const isFirst = records.size === 0 && !isSalvaged;
      const mark = { n: commits + (isFirst ? 0 : 1), digest: digestOf(records) };
      // The witness of a folder of before comes first: alone it is known for an adoption that was cut short.
      if (!isSalvaged) await writeWitness(folder, mark);
      await database.batch([...gone, { type: 'put', key: MARK_KEY, value: JSON.stringify(mark) }], {
        sync: true,
      });
      if (isSalvaged) await writeWitness(folder, mark);
      return new Ledger(folder, database, mark);
    } catch (error) {
      throw unusable(folder, error);
    }
  }

  /** Resolves when the text, or that there is none, is safe from a crash. @throws {StoreError} */
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
        const error = new StoreError('the data folder took nothing, or not all', { cause });
        for (const { reject } of changes) reject(error);
      }
    }
    this.#isCommitting = false;
  }

  async #commit(changes: ReadonlyMap<string, string | null>): Promise<void> {
    if (this.#isUnsure) await this.#reopen();
    const keys = [...changes.keys()];
    const before = await this.#database.getMany(keys);
    const changed = [...keys.map((key, i) => [key, before[i]] as const), ...changes].filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    const mark = { n: this.#mark.n + 1, digest: digestOf(changed, this.#mark.digest) };
    this.#isUnsure = true;
    await this.#database.batch(
      [...changes, [MARK_KEY, JSON.stringify(mark)] as const].map(([key, value]) =>
        value === null ? { type: 'del', key } : { type: 'put', key, value },
      ),
      { sync: true },
    );
    await writeWitness(this.#folder, mark);
    this.#mark = mark;
    this.#isUnsure = false;
  }

  /** Open the database anew and find out what it holds; LevelDB takes nothing more after a write that failed. */
  async #reopen(): Promise<void> {
    await this.#database.close();
    await this.#database.open({ createIfMissing: false });
    const found = await survey(this.#database);
    const damage = disagreement(found, readWitness(this.#folder));
    if (damage !== null || !found.mark) throw new Error(damage ?? 'its mark is missing');
    this.#mark = found.mark;
    this.#isUnsure = false;
  }
}
