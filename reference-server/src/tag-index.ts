import type { Published } from './store.ts';

const TAG_FIELDS = ['capabilities', 'topics', 'languages'] as const;
type TagField = (typeof TAG_FIELDS)[number];

/** An entry with a unique number, by which lists are sorted. */
export interface Numbered {
  readonly number: number;
}

/** Index of the first entry with a number above `after`, in a list sorted by number. */
export function firstAbove(sorted: readonly Numbered[], after: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.number ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Finds entries by tag; the entries of each tag are sorted by number. */
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
    this.#each(profile, (entries, byTag, tag) => {
      if (entries === undefined) byTag.set(tag, [entry]);
      else entries.splice(firstAbove(entries, entry.number), 0, entry);
    });
  }

  remove(profile: Published['profile'], entry: T): void {
    this.#each(profile, (entries, byTag, tag) => {
      const at = entries?.indexOf(entry, firstAbove(entries, entry.number - 1)) ?? -1;
      if (at >= 0) entries?.splice(at, 1);
      if (entries?.length === 0) byTag.delete(tag);
    });
  }

  /** For each tag of the profile, the entries that have it. */
  sharingTags(profile: Published['profile']): (readonly T[])[] {
    const lists: (readonly T[])[] = [];
    this.#each(profile, (entries) => lists.push(entries ?? []));
    return lists;
  }

  #each(
    profile: Published['profile'],
    visit: (entries: T[] | undefined, byTag: Map<string, T[]>, tag: string) => void,
  ): void {
    for (const field of TAG_FIELDS) {
      const byTag = this.#byTag[field];
      for (const tag of new Set(profile[field])) visit(byTag.get(tag), byTag, tag);
    }
  }
}
