/** Short names for what differs from run to run, and one sentence about what came. */
import { clip, type Step } from './exchange.ts';

/** Gives every text the same names: made once for each cause. */
export type Namer = (text: string) => string;

/** Ids that tell what they are by their form. */
const FORMS: readonly (readonly [string, RegExp])[] = [
  ['room ', /^t-[\w-]{16,}$/],
  ['m', /^m_[\w-]{6,}$/],
  ['claim ', /^c_[\w-]{6,}$/],
  ['dm ', /^d_[\w-]{6,}$/],
  ['agent ', /^t[0-9a-f]{24}$/],
  ['tag ', /^xt[0-9a-f]{22}$/],
];
/** Fields whose values are long and mean nothing to a reader, and what they are called. */
const FIELDS: Readonly<Record<string, string>> = {
  epoch: 'epoch ',
  ciphertext: 'ciphertext ',
  nonce: 'nonce ',
  sender_nonce: 'nonce ',
  roomId: 'room ',
  claim_id: 'claim ',
  box_pub: 'key ',
  sign_pub: 'key ',
  sender_eph_pub: 'key ',
  sender_sig: 'signature ',
  sender_sig2: 'signature ',
  from_sig: 'signature ',
  profile_sig: 'signature ',
  register_sig: 'signature ',
};
/** Seqs this near to each other are told by their distance: a relay begins a room at 1 000 times the clock's ms. */
const NEAR = 1_000;

/** @returns a function that gives the same value the same name in every text. */
export function namer(): Namer {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();
  const bases: number[] = [];
  const name = (kind: string, value: string): string => {
    let known = names.get(value);
    if (known === undefined) {
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      names.set(value, (known = `${kind}${count}`));
    }
    return known;
  };
  const seq = (digits: string): string => {
    const value = Number(digits);
    let at = bases.findIndex((base) => Math.abs(value - base) < NEAR);
    if (at < 0) at = bases.push(value) - 1;
    const place = value - (bases[at] ?? value) + 1;
    return at === 0 ? `seq ${place}` : `seq ${String.fromCodePoint(A + at)}${place}`;
  };
  return (text) =>
    text
      .replace(/"(\w+)":"([\w+/=-]{8,})(["…])/g, (whole, field: string, value: string, end: string) => {
        const kind = FIELDS[field];
        return kind === undefined
          ? whole
          : `"${field}":"${end === '…' ? kind.trim() : name(kind, value)}${end}`;
      })
      .replace(/epoch=([\w-]{8,})/g, (_, value: string) => `epoch=${name('epoch ', value)}`)
      .replace(/\[([\w-]{8,}):(?=\d)/g, (_, value: string) => `[${name('epoch ', value)}:`)
      .replace(/[\w-]{8,}/g, (word) => {
        const known = names.get(word);
        if (known !== undefined) return known;
        const form = FORMS.find(([, pattern]) => pattern.test(word));
        if (form !== undefined) return name(form[0], word);
        if (/^\d{15,17}(?:-\d{15,17})?$/.test(word)) return word.split('-').map(seq).join('-');
        return /^1[5-9]\d{11}$/.test(word) ? name('time ', word) : word;
      })
      .replace(/\b(\w+_)?(seq|claim|epoch|room) \2 (?=[A-Z]?\d)/g, '$1$2 ');
}

/** The seqs of a second room are `seq B1`, `seq B2`; those of a third `seq C1`. */
const A = 0x41;

/** A namer for an exchange: its lowest seq is `seq 1`. */
export function namerOf(steps: readonly Step[]): Namer {
  const short = namer();
  short((JSON.stringify(steps).match(/\b\d{15,17}\b/g) ?? []).sort().join(' '));
  return short;
}

const SENTENCE_CHARS = 150;

/** The statuses that a requirement names as such. */
export function statusesOf(want: string): string[] {
  return [...want.matchAll(/(?:^|answer of |status |with |or )([1-5]\d\d)\b/g)].map(
    ([, status]) => status ?? '',
  );
}

/** What a stream brought: kinds and how often, and a seq that came twice. */
function ofStream(got: string): string {
  const frames = got.slice('stream: '.length).split(' | ');
  const [only = ''] = frames;
  if (frames.length === 1 && only.includes('{')) return only;
  const seqs = frames.flatMap(
    (frame) => /^(?:\[.*?\] )?\{"type":"message".*?"seq":([^,}]+)/.exec(frame)?.slice(1) ?? [],
  );
  const twice = seqs.find((seq, at) => seqs.indexOf(seq) < at);
  if (twice !== undefined) return `${twice.startsWith('seq') ? twice : `seq ${twice}`} came twice`;
  const counts = new Map<string, number>();
  for (const frame of frames) {
    const hidden = /^… \d+ more: (.*) …$/.exec(frame)?.[1];
    if (hidden !== undefined) {
      for (const [, count, kind = ''] of hidden.matchAll(/(\d+) × ([^,]+)/g))
        counts.set(kind, (counts.get(kind) ?? 0) + Number(count));
      continue;
    }
    const kind =
      /^(?:\[.*?\] )?\{"type":"([\w-]+)"/.exec(frame)?.[1] ??
      (frame === ':' ? 'keep-alive' : clip(frame, 40));
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return `the stream brought ${[...counts].map(([kind, count]) => (count === 1 ? kind : `${count} × ${kind}`)).join(', ')}`;
}

function objectOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

/** The first field in which two objects differ. */
function ofObjects(want: string, got: string): string | null {
  const [wanted, came] = [objectOf(want), objectOf(got)];
  if (wanted === null || came === null) return null;
  for (const [field, value] of Object.entries(wanted)) {
    if (!Object.hasOwn(came, field)) return `no ${field}`;
    const [is, was] = [JSON.stringify(came[field]), JSON.stringify(value)];
    if (is !== was) return `${field} is ${is} instead of ${was}`;
  }
  const more = Object.keys(came).find((field) => !Object.hasOwn(wanted, field));
  return more === undefined ? null : `${more} is there as well`;
}

/** The first field that is not as a requirement names it: `duplicate: true`, `{ok, cursor: 5}`, `seq 7`, `no reset`. */
function ofFields(want: string, answer: string): string | null {
  const seq = /^seq (\d+)\b/.exec(want)?.[1];
  const none = /^no ([a-z_]+)\b/.exec(want)?.[1];
  const named = [...want.matchAll(/\b([a-z_]+): (true|false|null|\d+)\b/g)].map(
    ([, field = '', value = '']) => [field, value] as const,
  );
  const isOf = (field: string) => [...answer.matchAll(new RegExp(`"${field}":([^,}\\]]+)`, 'g'))];
  for (const [field, value] of [...(seq === undefined ? [] : [['seq', seq] as const]), ...named]) {
    const found = isOf(field);
    if (found.length === 0 && !answer.endsWith('…')) return `no ${field}`;
    const is = found.length === 1 ? found[0]?.[1] : value;
    if (is !== value) return `${field} is ${is} instead of ${value}`;
  }
  return none !== undefined && isOf(none).length === 1 ? `${none} is ${isOf(none)[0]?.[1] ?? ''}` : null;
}

/** One short sentence about how what came differs from what was required. */
export function difference(want: string, got: string, short: Namer): string {
  const objects = ofObjects(want, got);
  if (objects !== null) return clip(short(objects), SENTENCE_CHARS);
  const parts = got.split(/; (?=\d{3} |stream: |no answer|no stream)/);
  const wanted = statusesOf(want);
  const wrong = parts
    .map((part) => /^(\d{3})(?: |$)/.exec(part)?.[1])
    .find((status) => status !== undefined && !wanted.includes(status));
  if (parts.length === 1 && wanted.length > 0 && wrong !== undefined)
    return `status ${wrong} instead of ${[...new Set(wanted)].join(' or ')}`;
  const answer = parts.at(-1) ?? '';
  const field = /^(?:\d{3} |stream: [^|]*)\{[^|]*$/.test(answer) ? ofFields(want, answer) : null;
  if (field !== null) return clip(short(`${field}, in ${answer.replace(/^stream: /, '')}`), SENTENCE_CHARS);
  const told = parts.map((part) => (part.startsWith('stream: ') ? ofStream(short(part)) : short(part)));
  const share = Math.max(50, Math.floor(SENTENCE_CHARS / told.length));
  return clip(told.map((part) => clip(part, share)).join('; '), SENTENCE_CHARS);
}
