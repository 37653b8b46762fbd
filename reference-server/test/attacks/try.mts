import { perform, isBroken } from './perform.ts';
import { ATTACKS } from './all.ts';
const [size, ...names] = process.argv.slice(2);
for (const a of ATTACKS.filter((a) => names.some((n) => a.name.startsWith(n)))) {
  const t = performance.now();
  try {
    const o = await perform(a, size as 'short');
    console.log(
      `${a.name} ${((performance.now() - t) / 1000).toFixed(1)}s cost ${Math.round(o.cost.grown / 1048576)} MiB ${o.cost.processorSeconds.toFixed(2)} cpu ${o.cost.seconds.toFixed(1)} s; honest acc ${o.honest.accepted} rec ${o.honest.received} lost ${o.honest.lost} refused ${o.honest.refused} retr ${o.honest.retried} recon ${o.honest.reconnected} p50 ${o.honest.p50.toFixed(1)} p99 ${o.honest.p99.toFixed(1)} calm ${o.calm.p50.toFixed(1)}/${o.calm.p99.toFixed(1)}`,
    );
    for (const m of o.measured)
      console.log(
        `   ${isBroken(m) ? 'FAIL' : 'ok  '} ${m.what}: ${m.value} ${m.unit} of ${m.bound} (${m.from})`,
      );
  } catch (e) {
    console.log(a.name, 'ERROR', e);
  }
}
