/** Measures the relay's process through /proc, without a request to the relay. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Clock ticks per second (USER_HZ, the same on every Linux). */
const TICKS = 100;

/** Resident memory in bytes: now, and its peak since `forgetPeak`. */
export function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kB = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? NaN);
  return { now: kB('VmRSS') * 1024, peak: kB('VmHWM') * 1024 };
}

/** Reset the peak of its memory (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Processor time used by the process, in seconds. */
export function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function hex(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return bytes.reverse().join('').toUpperCase();
}

/** Number of connections from these addresses that the relay's process has open, including those that the client closed. */
export function heldBy(pid: number, port: number, addresses: readonly string[]): number {
  const local = `${hex('127.0.0.1')}:${port.toString(16).padStart(4, '0').toUpperCase()}`;
  const remotes = new Set(addresses.map(hex));
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      // A socket that no process has open any more has inode 0.
      ([, at, remote = '', , , , , , , inode]) =>
        at === local && remotes.has(remote.slice(0, 8)) && inode !== '0',
    ).length;
}
