import type { Client } from './address.ts';

/** What the budget needs to know of a message. */
export interface Held {
  /** Whether the message is still held by its room. */
  readonly live: boolean;
}

/** The messages of one poster, oldest first. */
interface Account<T> {
  readonly key: string;
  bytes: number;
  rank: number;
  items: T[];
  /** Index of the first item that may be live; all before it are not. */
  head: number;
  live: number;
}

/** Accounts are sorted into ranks by size: within a rank, sizes differ by less than a fifth. */
const RANKS_PER_DOUBLING = 4;
/** An account's list is compacted when its dead items outnumber the live ones by this many. */
const SPARE_ITEMS = 64;

function rankOf(bytes: number): number {
  return bytes < 1 ? 0 : 1 + Math.floor(Math.log2(bytes) * RANKS_PER_DOUBLING);
}

/**
 * Memory that the messages of all rooms use, by poster. When the relay is over budget, the poster that holds most loses
 * its oldest messages first, even if they are spread over many rooms or over many addresses of one IPv6 site: a poster is
 * the shortest prefix of its client's address.
 */
export class Budget<T extends Held> {
  /** Bytes of all accounts, plus those of remembered nonces, which the logs add without an account. */
  bytes = 0;
  readonly #accounts = new Map<string, Account<T>>();
  /** Accounts by rank, so that the largest is found without a search of all. */
  readonly #ranks: Set<Account<T>>[] = [];

  /** Charge an item to its poster. @returns the key of the account, for `refund`. */
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

  /** Refund the bytes of an item that has ceased to be live. */
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

  /** The oldest live item of an account in the highest rank; undefined when there is none. */
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
