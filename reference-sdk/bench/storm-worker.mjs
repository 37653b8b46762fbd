/**
 * One claiming process of the storm: claims, writes down, acks, and is killed at any moment. Its diary is a file to which
 * it appends a line before it goes on, so that a kill loses none:
 *
 *     G <answered µs> <deadline µs> <seq> <claim id> <delivery> <resumed 0|1>  granted; its lease ends no earlier
 *     L <from> <to>                                                            a gap was named
 *     R                                                                        a reset was told
 *     B <seq> <claim id>                                                       the ack is about to be sent
 *     A <seq> <claim id>                                                       the ack was answered
 *     X <seq> <claim id> <code>                                                the ack was refused
 *
 * Times are of the system's monotonic clock, the same for all processes.
 */
import { openSync, writeSync } from 'node:fs';
import { Room } from '@bot2bot/sdk';
import { loadIdentity } from '@bot2bot/sdk/node';

// The room's URL is a secret, and a process's arguments are not.
const { STORM_ROOM, STORM_IDENTITY = '', STORM_DIARY = '', STORM_LEASE_MS } = process.env;
const diary = openSync(STORM_DIARY, 'a', 0o600);
const write = (...words) => writeSync(diary, `${words.join(' ')}\n`);
const now = () => process.hrtime.bigint() / 1000n;

const identity = await loadIdentity(STORM_IDENTITY);
const room = new Room(STORM_ROOM, { identity });
for (;;) {
  let claim;
  try {
    claim = await room.claim({ timeoutMs: 20_000, leaseMs: Number(STORM_LEASE_MS) });
  } catch {
    // The connection went; the claim is asked for again.
    continue;
  }
  if (claim === null) continue;
  const { event, claimId, delivery, resumed, gap, reset } = claim;
  if (gap) write('L', gap.from, gap.to);
  if (reset) write('R');
  const answered = now();
  const deadline = answered + BigInt(Math.floor(claim.leaseRemainingMs * 1000));
  write('G', answered, deadline, event.seq, claimId, delivery, resumed ? 1 : 0);
  write('B', event.seq, claimId);
  try {
    await room.ack(claim);
    write('A', event.seq, claimId);
  } catch (error) {
    write('X', event.seq, claimId, error.code ?? 'unknown');
  }
}
