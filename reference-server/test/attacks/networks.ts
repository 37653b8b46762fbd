/** Who fills a table: one address, the /64s of one network, or so many that each is inside its share. */
import type { Context } from './attack.ts';
import type { Request } from './attacker.ts';

type Where = Pick<Request, 'from' | 'headers'>;

export interface Origin {
  readonly name: string;
  readonly about: string;
  /** What the relay may give to all of them together, in shares of an address. */
  readonly shares: number;
  /** @param index counted through; addresses come round. */
  readonly at: (context: Pick<Context, 'attacker'>, index: number) => Where;
}

/** As a proxy that the relay trusts names its client. */
const behind = (client: string): Where => ({ headers: { 'X-Forwarded-For': client } });
const group = (index: number) => index.toString(16);

/** Flags of a relay that believes its proxy, which the attacker's first address is here. */
export const PROXIED = { trusted_proxies: 'loopback' } as const;

const ONE: Origin = {
  name: 'one-address',
  about: 'one address',
  shares: 1,
  at: () => behind('198.51.100.7'),
};

export const ORIGINS: readonly Origin[] = [
  ONE,
  {
    name: 'one-56',
    about: '17 networks /64 of one /56',
    shares: 2,
    at: (_context, index) => behind(`2001:db8:1:1${group(index % 17).padStart(2, '0')}::${group(index % 7)}`),
  },
  {
    name: 'one-48',
    about: '34 networks /64 in 17 /56 of one /48',
    shares: 4,
    at: (_context, index) =>
      behind(`2001:db8:2:${group(index % 17)}0${group(Math.floor(index / 17) % 2)}::1`),
  },
];

/** Whoever comes after them, from an address that none of them has. */
export const NEWCOMER: Where = behind('203.0.113.99');

/** Header lines of an origin, for requests as text. */
export function linesOf({ headers = {} }: Where): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}
