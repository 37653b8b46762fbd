import type { Client } from './address.ts';

/** A message that was posted from an address, as far as the budget needs to know it. */
export interface Held {
  /** Whether it is still held. */
  readonly live: boolean;
}

/** What one poster holds, oldest first. */
interface Account<T> {
  readonly key: string;
  bytes: number;
  rank: number;
  items: T[];
  /** Items before this place are gone. */
  head: number;
  live: number;
}

/** Sizes that differ by less than a fifth have the same rank. */
const RANKS_PER_DOUBLING = 4;
const SPARE_ITEMS = 64;

function rankOf(bytes: number): number {
  return bytes < 1 ? 0 : 1 + Math.floor(Math.log2(bytes) * RANKS_PER_DOUBLING);
}

/**
 * What the messages of all rooms hold, by who posted them: so that whoever fills the relay pays for it, in however many
 * rooms and under however many addresses of one site. An IPv6 site counts as one, by its widest prefix.
 */
export class Budget<T extends Held> {
  /** Of all accounts, and of what belongs to none. */
  bytes = 0;
  readonly #accounts = new Map<string, Account<T>>();
  /** Accounts by the rank of their size, so that the heaviest is found without looking at all. */
  readonly #ranks: Set<Account<T>>[] = [];

  /** Charge an item to who posted it. @returns the key under which it is given back. */
  charge(client: Client, item: T, bytes: number): string {
    const key = client.at(-1) ?? client[0];
    let account = this.#accounts.get(key);
    if (account === undefined)
      this.#accounts.set(key, (account = { key, bytes: 0, rank: 0, items: [], head: 0, live: 0 }));
    account.items.push(item);
    account.live++;
    this.#add(account, bytes);
    return key;
  }

  /** Give back an item, which is live no longer. */
  refund(key: string, bytes: number): void {
    const account = this.#accounts.get(key);
    if (account === undefined) return;
    account.live--;
    this.#add(account, -bytes);
    if (account.live === 0) this.#accounts.delete(key);
    else if (account.items.length > 2 * account.live + SPARE_ITEMS) {
      account.items = account.items.filter((item) => item.live);
      account.head = 0;
    }
  }

  #add(account: Account<T>, bytes: number): void {
    this.bytes += bytes;
    account.bytes += bytes;
    const rank = rankOf(account.bytes);
    if (rank === account.rank) return;
    this.#ranks[account.rank]?.delete(account);
    account.rank = rank;
    if (rank > 0) (this.#ranks[rank] ??= new Set()).add(account);
  }

  /** The oldest item of whoever holds most; undefined when nobody holds anything. */
  oldestOfHeaviest(): T | undefined {
    for (let rank = this.#ranks.length - 1; rank > 0; rank--) {
      const [account] = this.#ranks[rank] ?? [];
      if (account === undefined) continue;
      for (; account.head < account.items.length; account.head++) {
        const item = account.items[account.head];
        if (item?.live === true) return item;
      }
    }
    return undefined;
  }
}
