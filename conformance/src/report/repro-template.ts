/** The text of the scripts that reproduce a failure. */

/** Quote for sh. */
export function sh(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

interface Head {
  readonly rule: string;
  readonly sentence: string;
  readonly required: string;
  readonly recorded: string;
  readonly seed: number;
  readonly case: string;
  /** URL of the relay that was tested; null if the relay ended with the run. */
  readonly url: string | null;
}

/** Text for a comment: one line, whatever the target sent. */
// oxlint-disable-next-line no-control-regex
const line = (text: string) => text.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ');

const head = (
  { rule, sentence, required, recorded, seed, case: name, url }: Head,
  needs: string,
) => `#!/bin/sh
# ${line(`${rule}: ${sentence}`)}
# Required: ${line(required)}
# It was:   ${line(recorded)}
# Case ${line(name)} of a run with --seed ${seed}. Needs ${needs}.
${
  url === null
    ? `# Usage: sh ${rule}.sh URL
BASE=\${1:-}
[ -n "$BASE" ] || { echo 'Start the relay, and give the URL at which it runs.' >&2; exit 2; }`
    : `# Usage: sh ${rule}.sh [URL]
BASE=\${1:-${sh(url)}}`
}
`;

/** A script that uses the suite's `replay`: for failures that show in streams, times, signatures or several answers. */
export function replayTemplate(given: Head): string {
  return `${head(given, 'the suite: curl alone cannot tell whether this fails')}# Exit 1: it happened again. Exit 0: the rule held. Any other: no verdict.
HERE=$(cd "$(dirname "$0")/.." && pwd)
DIR=$(mktemp -d)
\${BOT2BOT_CONFORMANCE:-npx bot2bot-conformance} replay "$HERE/cases/${given.rule}.json" --url "$BASE" --report "$DIR"
code=$?
rm -rf "$DIR"
exit $code
`;
}

interface Curl extends Head {
  /** Names of the variables that each contain a new room id. */
  readonly rooms: readonly string[];
  readonly lines: readonly string[];
  /** The step whose status decides, and the required statuses. */
  readonly last: number;
  readonly wanted: readonly string[];
}

/** A script that uses curl alone: the status of the last answer decides. */
export function curlTemplate(given: Curl): string {
  const { rooms, lines, last, wanted } = given;
  return `${head(given, 'curl alone')}# Exit 1: it happened again. Exit 0: the required status came. Exit 2: no answer.
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
${rooms.map((name, index) => `${name}=r$(date +%s)$$${index}\n`).join('')}
# call STEP METHOD URL [curl arguments]: send it and show the answer
call() {
  step=$1 method=$2 url=$3; shift 3
  curl -s -m 100 -o "$DIR/$step.body" -w '%{http_code}' -X "$method" "$@" "$url" >"$DIR/$step.status" || true
  printf '%s. %s %s\\n   %s %s\\n' "$step" "$method" "\${url#"$BASE"}" "$(cat "$DIR/$step.status")" "$(head -c 600 "$DIR/$step.body" 2>/dev/null | tr -cd '[:print:]')"
}
# value STEP PATTERN: what the pattern matches in the answer to a step
value() { sed -n "s/.*$2.*/\\1/p" "$DIR/$1.body" | head -n 1; }

${lines.join('\n')}

case $(cat "$DIR/${last}.status") in
${wanted.join('|')}) echo 'Not reproduced: the required status came.'; exit 0 ;;
000 | '') echo 'No answer: nothing is decided.'; exit 2 ;;
*) echo 'Reproduced.'; exit 1 ;;
esac
`;
}
