/** Writes a report's files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { html } from './html/page.ts';
import { junit } from './junit.ts';
import type { Made } from './report.ts';

/** Write `report.html`, `report.json`, `junit.xml`, the scripts and the cases into a folder, which is created. */
export function writeReport(folder: string, made: Made): void {
  const { report, scripts } = made;
  mkdirSync(join(folder, 'repro'), { recursive: true });
  mkdirSync(join(folder, 'cases'), { recursive: true });
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(folder, 'report.html'), html(made));
  writeFileSync(join(folder, 'junit.xml'), junit(report));
  for (const [name, text] of scripts)
    writeFileSync(join(folder, name), text, { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
}
