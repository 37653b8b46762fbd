/** Origins of an attack: one address, the /64s of one network, or so many networks that each stays within its share. */
import type { Context } from './attack.ts';
import type { Request } from './attacker.ts';

type Where = Pick<Request, 'from' | 'headers'>;

export interface Origin {
  readonly name: string;
  readonly about: string;
  /** Maximum for all of them together, as a multiple of the share of one address. */
  readonly shares: number;
  /** @param index running number; addresses repeat. */
  readonly at: (context: Pick<Context, 'attacker'>, index: number) => Where;
}

/** A request of this client through a trusted proxy. */
const behind = (client: string): Where => ({ headers: { 'X-Forwarded-For': client } });
const group = (index: number) => index.toString(16);

/** Flags of a relay that trusts the attacker's first address as a proxy. */
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

/** Another client, from an address outside of all these networks. */
export const NEWCOMER: Where = behind('203.0.113.99');

/** The headers of an origin as text. */
export function linesOf({ headers = {} }: Where): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}
