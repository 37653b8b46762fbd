/** Chapter 02: how fast may be posted. */
import type { Check } from '../check.ts';
import type { RelayScript } from '../../script/claims.ts';
import { floodUntil429 } from './errors.ts';

export const RATE_CHECKS: readonly Check<RelayScript>[] = [
  {
    id: 'MSG-19/burst',
    title: 'a burst within the bucket is accepted',
    lane: 'quick',
    run: async (t) => {
      const room = t.room();
      const count = Math.min(40, Math.floor(t.target.limits.room_burst / 2));
      const replies = await t.all(
        ...Array.from({ length: count }, () => (branch: RelayScript) => branch.post(room)),
      );
      for (const reply of replies)
        t.require('MSG-19', reply.status !== 429, 'no 429 within the declared rate', reply);
    },
  },
  {
    id: 'MSG-20/flood',
    title: 'a flood is answered 429, and nothing of it accepted beyond',
    lane: 'solo',
    run: async (t) => {
      const room = t.room();
      const refusal = await floodUntil429(t, room);
      t.require('MSG-20', refusal !== null, '429 beyond the bucket', ...(refusal === null ? [] : [refusal]));
      if (refusal === null) return;
      await t.sleep(1_500);
      const page = await t.transcript(room, { limit: 500 });
      const nonce = (JSON.parse(refusal.record.reqBody ?? '{}') as { nonce?: string }).nonce;
      t.require(
        'MSG-20',
        !page.json.get('messages').items.some((item) => item.get('nonce').raw === nonce),
        'nothing of the refused post',
        refusal,
        page,
      );
    },
  },
];
