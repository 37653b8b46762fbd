import type { Published } from './store.ts';

const TAG_FIELDS = ['capabilities', 'topics', 'languages'] as const;
type TagField = (typeof TAG_FIELDS)[number];

/** What is filed: profiles with numbers. */
export interface Numbered {
  readonly number: number;
}

/** Place of the first entry above a number, in a list that rises. */
export function firstAbove(sorted: readonly Numbered[], after: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.number ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Entries by tag, those of each tag in the order of their numbers. */
export class TagIndex<T extends Numbered> {
  readonly #byTag: Readonly<Record<TagField, Map<string, T[]>>> = {
    capabilities: new Map(),
    topics: new Map(),
    languages: new Map(),
  };

  with(field: TagField, tag: string): readonly T[] {
    return this.#byTag[field].get(tag) ?? [];
  }

  add(profile: Published['profile'], entry: T): void {
    this.#each(profile, (entries, file, tag) => {
      if (entries === undefined) file.set(tag, [entry]);
      else entries.splice(firstAbove(entries, entry.number), 0, entry);
    });
  }

  remove(profile: Published['profile'], entry: T): void {
    this.#each(profile, (entries, file, tag) => {
      const at = entries?.indexOf(entry, firstAbove(entries, entry.number - 1)) ?? -1;
      if (at >= 0) entries?.splice(at, 1);
      if (entries?.length === 0) file.delete(tag);
    });
  }

  /** For each tag of the profile, the entries that have it. */
  sharing(profile: Published['profile']): (readonly T[])[] {
    const lists: (readonly T[])[] = [];
    this.#each(profile, (entries) => lists.push(entries ?? []));
    return lists;
  }

  #each(
    profile: Published['profile'],
    visit: (entries: T[] | undefined, file: Map<string, T[]>, tag: string) => void,
  ): void {
    for (const field of TAG_FIELDS) {
      const file = this.#byTag[field];
      for (const tag of new Set(profile[field])) visit(file.get(tag), file, tag);
    }
  }
}
