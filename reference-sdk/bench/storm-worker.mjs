/**
 * One claiming process of the storm: it claims and acks messages, and may be killed at any moment. It appends each step to a
 * diary file before it continues, so that a kill loses no line:
 *
 *     G <answered µs> <deadline µs> <seq> <claim id> <delivery> <resumed 0|1>  granted; its lease does not end before deadline
 *     L <from> <to>                                                            the answer reported a gap
 *     R                                                                        the answer reported a reset
 *     B <seq> <claim id>                                                       the ack is about to be sent
 *     A <seq> <claim id>                                                       the ack was answered
 *     X <seq> <claim id> <code>                                                the ack was refused
 *
 * Times are from the system's monotonic clock, which all processes share.
 */
import { openSync, writeSync } from 'node:fs';
import { Room } from '@bot2bot/sdk';
import { loadIdentity } from '@bot2bot/sdk/node';

// The room URL is a secret, and other users can read the arguments of a process.
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
    // The connection failed: claim again.
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
