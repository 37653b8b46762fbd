/** The claim flags of the command line, and the shell loop that uses them. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoomUrl, Identity, lookUpIdentity, register, Room } from '../src/index.ts';
import { makeShell, type Shell } from './command.ts';
import { proxy } from './proxy.ts';
import { RELAY, start, type Started } from './relay.ts';

let relay: Started;
let shell: Shell;
const servers: Server[] = [];
beforeAll(async () => {
  relay = await start(RELAY, '--port', '0');
  shell = await makeShell(relay.url);
});
afterAll(async () => {
  shell.stop();
  for (const server of servers) server.close();
  await relay.stop();
});

let handles = 0;
/** Flags for an agent with a new handle. */
function agent(): string[] {
  const handle = `agent-${++handles}`;
  return ['--handle', handle, '--identity-file', join(shell.folder, `${handle}.key`)];
}

async function roomWith(...texts: string[]): Promise<string> {
  const url = createRoomUrl(relay.url);
  const room = new Room(url, { name: 'asker' });
  for (const text of texts) await room.send(text);
  return url;
}

/** A proxy in front of the relay that refuses acks. @returns its URL. */
async function refusingAcks(): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url?.endsWith('/ack') === true) {
        response
          .writeHead(409, { 'Content-Type': 'application/json' })
          .end('{"error":"too late","cursor":7}');
        return;
      }
      const { authorization } = request.headers;
      void fetch(`${relay.url}${request.url}`, {
        method: request.method ?? 'GET',
        headers: {
          'Content-Type': 'application/json',
          ...(authorization === undefined ? {} : { Authorization: authorization }),
        },
        ...(request.method === 'GET' ? {} : { body: Buffer.concat(chunks) }),
      }).then(async (answer) => {
        response.writeHead(answer.status, { 'Content-Type': 'application/json' });
        response.end(await answer.text());
      });
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('claim verbs', () => {
  it('--next prints one line of JSON and exits 0; without a message it prints {"empty": true} and exits 1', async () => {
    const me = agent();
    const url = await roomWith('one', 'two');
    for (const text of ['one', 'two']) {
      const { code, stdout, stderr, lines } = await shell.run([url, '--next', ...me, '--claim-timeout', '5']);
      expect([code, stderr, lines.length]).toEqual([0, '', 1]);
      expect(Object.keys(lines[0] ?? {})).toEqual(['claim_id', 'seq', 'sender', 'ts', 'text', 'cursor']);
      const { claim_id, seq, sender, ts, text: said, cursor } = lines[0] ?? {};
      expect([sender, said, cursor]).toEqual(['asker', text, seq]);
      expect(claim_id).toMatch(/^[\w-]{8,64}$/);
      expect(Math.abs(Number(ts) - Date.now() / 1000)).toBeLessThan(60);
      expect(stdout).toMatch(/^\{"claim_id": "/);
    }
    const { code, stdout, stderr } = await shell.run([url, '--next', ...me, '--claim-timeout', '1']);
    expect([code, stdout, stderr]).toEqual([1, '{"empty": true}\n', '']);
  });

  it('the first --handle stores an identity that only its owner may read, and the next run uses it', async () => {
    const kept = join(shell.home, '.config/bot2bot/cli_identity.key');
    expect(existsSync(kept)).toBe(false);
    const url = await roomWith('one', 'two');
    expect((await shell.run([url, '--next', '--handle', 'my-agent'])).code).toBe(0);
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(kept);
    expect(bytes.subarray(0, 9).toString('latin1')).toBe('\u0008my-agent');
    expect(bytes.length).toBe(9 + 64);
    const { signPub } = await lookUpIdentity(relay.url, 'my-agent');
    expect((await shell.run([url, '--next', '--handle', '@My-Agent'])).lines[0]?.['text']).toBe('two');
    expect((await shell.run(['whoami'])).lines).toMatchObject([{ handle: 'my-agent', sign_pub: signPub }]);
    expect(readFileSync(kept)).toEqual(bytes);
    const other = await shell.run([url, '--next', '--handle', 'another']);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('my-agent');
  });

  it('a handle of another agent is refused with advice, and no file is left', async () => {
    await register(relay.url, Identity.create('taken'));
    const path = join(shell.folder, 'taken.key');
    const url = await roomWith('one');
    const { code, stderr } = await shell.run([url, '--next', '--handle', 'taken', '--identity-file', path]);
    expect(code).toBe(2);
    expect(stderr).toContain('another --handle');
    const reserved = await shell.run([url, '--next', '--handle', 'demo', '--identity-file', path]);
    expect([reserved.code, reserved.stderr]).toEqual([2, expect.stringContaining('reserved')]);
    expect(existsSync(path)).toBe(false);
    // An existing file is kept.
    const words = ['--identity-file', path, '--handle', 'free'];
    expect((await shell.run([url, '--next', ...words])).code).toBe(0);
    const other = await start(RELAY, '--port', '0');
    await register(other.url, Identity.create('free'));
    const there = await shell.run([createRoomUrl(other.url), '--say', 'hello', ...words]);
    expect([there.code, there.stderr]).toEqual([2, expect.stringContaining('another key')]);
    expect(existsSync(path)).toBe(true);
    await other.stop();
  });

  it('concurrent first runs create one identity', async () => {
    const url = await roomWith('one');
    const words = [url, '--claim', '--handle', 'six', '--identity-file', join(shell.folder, 'six.key')];
    const ended = await Promise.all(Array.from({ length: 6 }, () => shell.run(words)));
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(() => [0, '']));
    expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1);
  });

  it("--claim holds a message until --ack, which prints the relay's answer", async () => {
    const me = agent();
    const url = await roomWith('one');
    const first = (await shell.run([url, '--claim', ...me])).lines[0] ?? {};
    const again = (await shell.run([url, '--claim', ...me])).lines[0] ?? {};
    expect(again).toEqual(first);
    expect(first).toMatchObject({ text: 'one', cursor: 0 });
    const ref = [String(first['claim_id']), String(first['seq'])];
    const wrong = await shell.run([url, '--ack', 'c_ofsomeoneelse', String(ref[1]), ...me]);
    expect([wrong.code, wrong.lines[0]?.['cursor']]).toEqual([2, 0]);
    expect(wrong.stdout).toMatch(/^\{"error": "/);
    const acked = await shell.run([url, '--ack', ...ref, ...me]);
    expect([acked.code, acked.stdout]).toEqual([0, `{"ok": true, "advanced": true, "cursor": ${ref[1]}}\n`]);
    const twice = await shell.run([url, '--ack', ...ref, ...me]);
    expect([twice.code, twice.lines[0]]).toMatchObject([0, { advanced: false }]);
    expect((await shell.run([url, '--claim', ...me, '--claim-timeout', '1'])).code).toBe(1);
  });

  it('--renew extends the lease, --release makes the message available again at once', async () => {
    const me = agent();
    const url = await roomWith('one');
    const claimId = String((await shell.run([url, '--claim', ...me])).lines[0]?.['claim_id']);
    const renewed = await shell.run([url, '--renew', claimId, '--lease-ms', '500000', ...me]);
    expect([renewed.code, renewed.lines[0]?.['ok']]).toEqual([0, true]);
    expect(Number(renewed.lines[0]?.['lease_remaining_ms'])).toBeGreaterThan(400_000);
    const released = await shell.run([url, '--release', claimId, ...me]);
    expect([released.code, released.stdout]).toEqual([0, '{"ok": true, "released": true}\n']);
    const next = (await shell.run([url, '--claim', ...me])).lines[0];
    expect(next).toMatchObject({ text: 'one' });
    expect(next?.['claim_id']).not.toBe(claimId);
    const late = await shell.run([url, '--renew', claimId, ...me]);
    expect([late.code, late.lines[0]?.['cursor']]).toEqual([2, 0]);
  });

  it('--next reports a failed ack, and still prints the message', async () => {
    const me = agent();
    const url = (await roomWith('one')).replace(relay.url, await refusingAcks());
    const { code, lines } = await shell.run([url, '--next', ...me]);
    expect([code, lines[0]]).toMatchObject([0, { text: 'one', cursor: 0 }]);
    expect(lines[0]?.['ack_warning']).toContain('may come again');
  });

  it('CLAIM-31: own messages and payloads are acked silently, within the timeout', async () => {
    const me = agent();
    const url = await roomWith('{"bot2bot_delete_v1":true,"target_id":"m_12345678"}');
    expect((await shell.run([url, '--say', 'mine', ...me])).code).toBe(0);
    await new Room(url, { name: 'asker' }).send('{"bot2bot_later_v9":true}');
    const none = await shell.run([url, '--next', ...me, '--claim-timeout', '1']);
    expect([none.code, none.stdout, none.stderr]).toEqual([1, '{"empty": true}\n', '']);
    await new Room(url, { name: 'asker' }).send('yours');
    expect((await shell.run([url, '--next', ...me])).lines[0]).toMatchObject({ text: 'yours' });
  });

  it('Ctrl-C while waiting exits 130, and a later message is not lost', async () => {
    const me = agent();
    const url = await roomWith('one');
    await shell.run([url, '--next', ...me]);
    const wire = await proxy(relay.url);
    const behind = url.replace(relay.url, wire.url);
    const waiting = shell.begin([behind, '--claim', ...me, '--claim-timeout', '60']);
    await expect.poll(() => wire.sent().toString()).toContain('/claim?');
    waiting.signal('SIGINT');
    const { code, stdout, stderr } = await waiting.ended;
    expect([code, stdout, stderr]).toEqual([130, '', '']);
    wire.close();
    await new Room(url, { name: 'asker' }).send('two');
    expect((await shell.run([url, '--next', ...me])).lines[0]).toMatchObject({ text: 'two' });
  });

  it('an unreachable relay is reported in one clear line', async () => {
    const me = agent();
    await shell.run(['register', ...me, '--base', relay.url]);
    const { code, stdout, stderr } = await shell.run(['dm', 'inbox', ...me, '--base', 'http://127.0.0.1:1']);
    expect([code, stdout, stderr]).toEqual([2, '', 'bot2bot: http://127.0.0.1:1: no connection\n']);
  });
});

const README = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
/** The shell loop that deployed agents run, with this command. */
const DEPLOYED = `while true; do
msg=$(node bot2bot.mjs "$ROOM_URL" --next --handle my-agent --claim-timeout 60)
rc=$?
if [ $rc -eq 1 ]; then continue; fi # empty poll → loop
if [ $rc -ne 0 ]; then sleep 2; continue; fi # transient error → backoff
echo "$msg" # JSON: claim_id, seq, sender, ts, text, cursor
node bot2bot.mjs "$ROOM_URL" --say "done: $msg"
done`;

describe('the shell loop', () => {
  it.each([
    ['of deployed agents', DEPLOYED],
    ['of the README', /```bash\n([^]*?)```/.exec(README)?.[1] ?? ''],
  ])(
    '%s hands on every message once, never an own answer, over a restart of the relay',
    async (_, script) => {
      const own = await start(RELAY, '--port', '0');
      const url = createRoomUrl(own.url);
      const loop = shell.bash(script, { env: { ROOM_URL: url, BOT2BOT_ROOM_URL: url } });
      const texts = () =>
        loop
          .stdout()
          .split('\n')
          .slice(0, -1)
          .flatMap((line) => (JSON.parse(line) as { text?: string }).text ?? []);
      const asker = new Room(url, { name: 'asker' });
      const sent: string[] = [];
      const ask = async (text: string) => {
        sent.push(text);
        await asker.send(text);
      };
      for (const text of ['one', 'two "quoted"', '- three\nlines']) await ask(text);
      await loop.until(() => texts().length >= sent.length);
      await own.stop();
      const again = await start(RELAY, '--port', own.port);
      for (const text of ['after the restart', 'five']) await ask(text);
      await loop.until(() => texts().length >= sent.length);
      await ask('six');
      await loop.until(() => texts().length >= sent.length);
      process.kill(-loop.pid, 'SIGKILL');
      await loop.ended;
      expect(texts()).toEqual(sent);
      const { events } = await asker.history();
      const answers = events.filter((event) => event.type === 'message' && event.sender === '@my-agent');
      expect(answers.length).toBeGreaterThanOrEqual(2);
      await again.stop();
    },
  );
});
