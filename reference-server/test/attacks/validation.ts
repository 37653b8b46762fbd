/** Invalid bodies: refusing one must not take much longer than reading the same bytes in an unknown field. */
import { paramsOf, ROUTES, type Route } from '@bot2bot/schemas';
import { allowance, MIB, NO_RATES, type Attack, type Context, type Measured } from './attack.ts';

const LONG = 194_000;
/** Maximum ratio of the time to refuse (parse and check up to the first fault) to the time to read. */
const TIMES = 4;
/** A stall of the machine takes all three requests of a measurement at times. */
const OUTLIERS = 12;

const JUNK = {
  ones: `[${'1,'.repeat(LONG / 2)}1]`,
  fields: `{${Array.from({ length: LONG / 13 }, (_, i) => `"f${String(i).padStart(6, '0')}":1`).join(',')}}`,
  objects: `[${'{},'.repeat(LONG / 3)}{}]`,
  texts: `["${'a","'.repeat(LONG / 4)}"]`,
  text: `"${'a '.repeat(LONG / 2)}"`,
  digits: `"${'1'.repeat(LONG)}"`,
};

interface Target {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  /** The body with the junk in its field. */
  readonly with: (field: string, junk: string) => string;
  readonly fields: readonly string[];
}

/** Every body of the protocol with each of its fields, including those of nested objects. */
const TARGETS: readonly Target[] = Object.entries<Route>(ROUTES).flatMap(([operation, route]) => {
  if (route.body === undefined) return [];
  const { method } = route;
  const path = paramsOf(route.path).reduce(
    (text, name) => text.replace(`{${name}}`, 'junk-junk'),
    route.path,
  );
  const { examples } = route.body as { examples?: readonly Record<string, unknown>[] };
  const example = { ...examples?.[0] };
  const { properties } = route.body as { properties?: Record<string, unknown> };
  const plain: Target = {
    what: operation,
    method,
    path,
    with: (field, junk) => bodyWith(example, field, junk),
    fields: Object.keys(properties ?? example),
  };
  const nested = Object.entries(example).flatMap(([outer, inner]) =>
    typeof inner !== 'object' || inner === null || Array.isArray(inner)
      ? []
      : [
          {
            ...plain,
            what: `${operation}.${outer}`,
            with: (field: string, junk: string) =>
              bodyWith(example, outer, bodyWith(inner as Record<string, unknown>, field, junk)),
            fields: [...Object.keys(inner), 'capabilities', 'topics', 'languages'],
          },
        ],
  );
  return [plain, ...nested];
});

/** The JSON of the example, with this JSON as the value of a field. */
function bodyWith(example: Readonly<Record<string, unknown>>, field: string, junk: string): string {
  const rest = Object.entries(example).filter(([name]) => name !== field);
  const fields = rest.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${[...fields, `${JSON.stringify(field)}:${junk}`].join(',')}}`;
}

/**
 * The shortest time of three requests, in ms, to exclude other work of the relay.
 * @param most a longer time is measured again, as often as OUTLIERS: it must be long each time to count.
 */
async function cost({ attacker }: Context, target: Target, body: string, most = Infinity): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 3 || (least > most && i < 3 + OUTLIERS); i++) {
    const before = performance.now();
    await attacker.ask({ method: target.method, path: target.path, body });
    least = Math.min(least, performance.now() - before);
  }
  return least;
}

export const junkInBodies: Attack = {
  name: 'cpu/junk-in-bodies',
  about: `bodies of ${LONG / 1_000} KB with an array, an object or a text of junk in each field of each operation`,
  flags: NO_RATES,
  memory: (declared) =>
    allowance([16 * declared.of('body_bytes'), '16 × body_bytes'], [32 * MIB, '32 MiB parsed']),
  run: async (context) => {
    const worst = { times: 0, what: '', ms: 0 };
    await context.begin();
    for (const [kind, junk] of Object.entries(JUNK).slice(0, context.size === 'full' ? 6 : 3))
      for (const target of TARGETS) {
        if (context.signal.aborted) return [];
        const plain = await cost(context, target, target.with('of_nobody', junk));
        for (const field of target.fields) {
          const ms = await cost(context, target, target.with(field, junk), plain * TIMES);
          const times = ms / plain;
          if (times > worst.times)
            Object.assign(worst, { times, ms, what: `${target.what}.${field} with ${kind}` });
        }
      }
    context.tell(`${worst.what}: ${worst.ms.toFixed(1)} ms`);
    const measured: Measured = {
      what: `refusing ${worst.what}`,
      value: Math.round(worst.times * 10) / 10,
      unit: '× reading it',
      bound: TIMES,
      from: 'sizes are checked before what is in them: the same bytes in a field that nobody knows, in the same run',
    };
    return [measured];
  },
};
