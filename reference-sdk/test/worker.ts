/** A worker for tests: it hangs in its first message, or handles all messages up to `three`. */
import { text as readAll } from 'node:stream/consumers';
import { Identity, Room } from '../src/index.ts';

interface Given {
  readonly url: string;
  readonly secrets: unknown;
  readonly stands: boolean;
}

const { url, secrets, stands } = JSON.parse(await readAll(process.stdin)) as Given;
const room = new Room(url, { identity: Identity.fromSecrets(secrets) });
await room.work(
  async ({ text }) => {
    process.stdout.write(`${text}\n`);
    if (stands) await new Promise((resolve) => setTimeout(resolve, 60_000));
    if (text === 'three') setTimeout(() => room.close(), 500);
  },
  { leaseMs: 3_000 },
);
