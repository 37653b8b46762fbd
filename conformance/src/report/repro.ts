/** Shell scripts that repeat a failing exchange with nothing but curl. */
import type { Failure } from '../judge/verdict.ts';
import type { RelayCase, RelayRun } from '../trace/records.ts';

/** Quote for sh. */
function sh(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Values of answers that later requests of the case may contain: they differ from run to run. */
function variablesIn(body: string, step: number): { name: string; value: string; pattern: string }[] {
  const found: { name: string; value: string; pattern: string }[] = [];
  for (const field of ['seq', 'last_seq', 'next_after', 'oldest_seq']) {
    const match = new RegExp(`"${field}":([0-9]{6,16})`).exec(body);
    if (match?.[1] !== undefined)
      found.push({
        name: `${field.toUpperCase()}_${step}`,
        value: match[1],
        pattern: `"${field}":\\([0-9]*\\)`,
      });
  }
  for (const field of ['id', 'epoch']) {
    const match = new RegExp(`"${field}":"([^"]{8,64})"`).exec(body);
    if (match?.[1] !== undefined)
      found.push({
        name: `${field.toUpperCase()}_${step}`,
        value: match[1],
        pattern: `"${field}":"\\([^"]*\\)"`,
      });
  }
  return found;
}

/** A request's text with known values in place of the literals of the recorded run: as an expression of the shell. */
function substituted(text: string, known: ReadonlyMap<string, string>): string {
  let rest = sh(text);
  for (const [value, name] of known) {
    rest = rest.replaceAll(value, `'"$${name}"'`);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) continue;
    rest = rest
      .replaceAll(String(number - 1), `'"$(($${name} - 1))"'`)
      .replaceAll(String(number + 1), `'"$(($${name} + 1))"'`);
  }
  return rest;
}

/** A client's frame, masked with a zero key, as printf escapes. */
function frameEscapes(data: string): string {
  const payload = Buffer.from(data);
  const { length } = payload;
  const head = length < 126 ? [0x81, 0x80 | length] : [0x81, 0x80 | 126, length >> 8, length & 255];
  const bytes = [...head, 0, 0, 0, 0, ...payload];
  return bytes
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f && !`\\%'"`.includes(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `\\${byte.toString(8).padStart(3, '0')}`,
    )
    .join('');
}

/** Whether a signature was sent: it holds for a minute, and curl cannot make another. */
function isSigned(event: RelayCase['events'][number]): boolean {
  if (event.t === 'send') return event.data.includes('"sender_sig"');
  if (event.t !== 'http') return false;
  return (
    'Authorization' in event.reqHeaders || /"(?:sender|from|register|profile)_sig"/.test(event.reqBody ?? '')
  );
}

/**
 * The script for a failure: repeats the case's requests in order in a fresh room, shows every answer, and tells whether
 * the one that broke the rule has come out the same.
 * @returns null when the case has nothing that curl can repeat: no request, or a signed one.
 */
export function reproScript(
  run: RelayRun,
  trace: RelayCase,
  failure: Failure,
  sentence: string,
): string | null {
  if (trace.events.some(isSigned)) return null;
  const rooms = new Map<string, string>();
  const lines: string[] = [];
  const known = new Map<string, string>();
  let step = 0;
  const steps = new Map<string, number>();
  const url = (path: string) => {
    const match = /^(\/api\/rooms\/)([^/?]+)(.*)$/.exec(path);
    if (match === null || !(match[2] ?? '').startsWith('t-')) return `"$BASE"${substituted(path, known)}`;
    const [, head = '', room = '', tail = ''] = match;
    if (!rooms.has(room)) rooms.set(room, `ROOM_${rooms.size}`);
    return `"$BASE${head}$${rooms.get(room)}"${substituted(tail, known)}`;
  };
  const last = Math.max(
    ...trace.events.map((event, index) =>
      failure.evidence.some((key) => event.key === key || event.key.startsWith(`${key}#`)) ? index : -1,
    ),
  );
  const streams = trace.events.filter((event) => event.t === 'open' && failure.evidence.includes(event.key));
  const upTo = streams.length > 0 ? trace.events.length - 1 : last < 0 ? trace.events.length - 1 : last;
  for (const event of trace.events.slice(0, upTo + 1)) {
    if (event.t === 'http') {
      steps.set(event.key, ++step);
      const headers = Object.entries(event.reqHeaders).map(
        ([name, value]) => ` -H ${substituted(`${name}: ${value}`, known)}`,
      );
      const body = event.reqBody === undefined ? '' : ` --data-binary @- <<'BODY'\n${event.reqBody}\nBODY`;
      const inline =
        event.reqBody !== undefined && event.reqBody.length < 2_000
          ? ` --data-binary ${substituted(event.reqBody, known)}`
          : body;
      lines.push(`call ${step} ${event.method} ${url(event.path)}${headers.join('')}${inline}`);
      for (const { name, value, pattern } of variablesIn(event.resBody, step)) {
        if (known.has(value)) continue;
        known.set(value, name);
        lines.push(`${name}=$(value ${step} ${sh(pattern)})`);
      }
    } else if (event.t === 'open') {
      steps.set(event.key, ++step);
      const headers = Object.entries(event.reqHeaders).map(
        ([name, value]) => ` -H ${substituted(`${name}: ${value}`, known)}`,
      );
      lines.push(
        event.kind === 'sse'
          ? `listen ${step} ${url(event.path)}${headers.join('')}`
          : `socket ${step} ${url(event.path)}`,
      );
    } else if (event.t === 'send') {
      lines.push(`frame ${steps.get(event.stream) ?? 0} ${sh(frameEscapes(event.data))}`);
    } else if (event.t === 'sleep') {
      lines.push(`sleep ${Math.ceil((event.t1 - event.t0) / 100) / 10}`);
    } else if (event.t === 'look' && streams.length > 0) lines.push('sleep 0.3');
  }
  if (step === 0) return null;
  const shown = failure.evidence
    .map((key) => steps.get(key) ?? steps.get(key.split('#')[0] ?? ''))
    .filter((at) => at !== undefined);
  const evidence = trace.events.find(
    (event) =>
      event.t === 'http' && failure.evidence.includes(event.key) && steps.get(event.key) === shown.at(-1),
  );
  const expected = evidence?.t === 'http' ? `${evidence.status}\n${evidence.resBody}` : '';
  const rule = `${failure.rule}: ${sentence}`;
  return `#!/bin/sh
# ${rule}
# Required: ${failure.want.replaceAll('\n', ' ')}
# It was:   ${failure.got.replaceAll('\n', ' ')}
# Case ${failure.case} of a run with --seed ${run.seed}. Needs curl alone. Usage: sh ${failure.rule}.sh [base URL]
# Exit 1: it happened again. Exit 0: another answer came.
BASE=\${1:-${run.target.url}}
DIR=$(mktemp -d)
PIDS=
trap 'for pid in $PIDS; do kill "$pid" 2>/dev/null; done; rm -rf "$DIR"' EXIT
${[...rooms.values()].map((name, index) => `${name}=r$(date +%s)$$${index}`).join('\n')}

# call STEP METHOD URL [curl arguments]: send it and show the answer
call() {
  step=$1 method=$2 url=$3; shift 3
  curl -s -m 100 -o "$DIR/$step.body" -w '%{http_code}' -X "$method" "$@" "$url" >"$DIR/$step.status" || true
  printf '%s. %s %s\\n   %s %s\\n' "$step" "$method" "\${url#"$BASE"}" "$(cat "$DIR/$step.status")" "$(head -c 600 "$DIR/$step.body" 2>/dev/null)"
}
# value STEP PATTERN: what the pattern matches in the answer to a step
value() { sed -n "s/.*$2.*/\\1/p" "$DIR/$1.body" | head -n 1; }
# listen STEP URL [curl arguments]: open a stream of events in the background
listen() {
  step=$1; shift
  curl -sN -m 120 "$@" >"$DIR/$step.body" 2>/dev/null & PIDS="$PIDS $!"; sleep 0.5
}
# socket STEP URL: open a WebSocket in the background; frames are written by hand through curl's telnet
socket() {
  step=$1; authority=\${2#*://}; path=/\${authority#*/}; authority=\${authority%%/*}
  mkfifo "$DIR/$step.in"; curl -s -m 120 "telnet://$authority" <"$DIR/$step.in" >"$DIR/$step.body" 2>/dev/null & PIDS="$PIDS $!"
  eval "exec $((step % 6 + 3))>'$DIR/$step.in'"
  printf 'GET %s HTTP/1.1\\r\\nHost: %s\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n' "$path" "$authority" >&$((step % 6 + 3)); sleep 0.5
}
# frame STEP BYTES: send a text frame on the WebSocket of a step
frame() { printf "$2" >&$(($1 % 6 + 3)); sleep 0.3; }

${lines.join('\n')}

# What differs from run to run is taken out before the answers are compared.
same() { sed -E 's/[0-9]{6,}/N/g; s/"(id|epoch|ciphertext|nonce|roomId)":"[^"]*"/"\\1":"X"/g; s/"(age_seconds|idle_seconds|last_seen_ms_ago|uptime_seconds|rooms)":[0-9.]+/"\\1":N/g'; }
${streams.length > 0 ? streams.map((event) => `echo; echo "Stream ${steps.get(event.key) ?? ''}:"; tr -cd '[:print:]\\n' <"$DIR/${steps.get(event.key) ?? 0}.body" | cut -c1-300`).join('\n') : ''}
echo
echo ${sh(rule)}
echo ${sh(`Required: ${failure.want}`)}
echo ${sh(`Recorded: ${failure.got}`)}
${expected === '' ? 'echo "Compare the answers above with what is required."; exit 1' : `cat >"$DIR/recorded" <<'RECORDED'\n${expected}\nRECORDED\nif [ "$(same <"$DIR/recorded")" = "$({ cat "$DIR/${shown.at(-1)}.status"; echo; cat "$DIR/${shown.at(-1)}.body" 2>/dev/null; echo; } | same)" ]; then echo 'Reproduced: the answer is the recorded one.'; exit 1; fi\necho 'Not reproduced: another answer came.'`}
`;
}
