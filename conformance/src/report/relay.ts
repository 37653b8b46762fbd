/** Presents the cases of a relay. */
import { DEFAULT_LIMITS, DEFAULT_TIMINGS } from '@bot2bot/schemas';
import type { RelayEvent, RelayFacts } from '../trace/records.ts';
import { clip, type Arrow } from './exchange.ts';
import type { Presenter } from './presenter.ts';
import { reproScript } from './repro.ts';

/** The `type` of a frame. */
function frameName(data: string): string {
  try {
    const frame: unknown = JSON.parse(data);
    if (typeof frame === 'object' && frame !== null && 'type' in frame && typeof frame.type === 'string')
      return clip(frame.type, 40);
  } catch {
    // Not JSON: it has no type.
  }
  return 'frame';
}

/** Which client of a case took a step. */
function client(key: string): string {
  const branch = /^b(\d+)\./.exec(key)?.[1];
  return branch === undefined ? 'client' : `client ${Number(branch) + 1}`;
}

function arrows(events: readonly RelayEvent[]): Arrow[] {
  const streams = new Map<string, string>();
  const counts = { sse: 0, ws: 0 };
  const arrow = (
    { key }: RelayEvent,
    way: Arrow['way'],
    lane: string,
    at: number,
    what: string,
    body = '',
  ): Arrow => ({ key, way, lane, at, what, body });
  const answer = (status: number, error = '') => (status === 0 ? `no answer (${error})` : String(status));
  return events.flatMap((event): Arrow[] => {
    const stream = streams.get(event.key.split('#')[0] ?? '') ?? 'stream';
    switch (event.t) {
      case 'http': {
        const lane = client(event.key);
        return [
          arrow(event, 'sent', lane, event.t0, `${event.method} ${event.path}`, event.raw ?? event.reqBody),
          arrow(event, 'came', lane, event.t1, answer(event.status, event.error), event.resBody),
        ];
      }
      case 'open': {
        const lane = `${event.kind.toUpperCase()} ${++counts[event.kind]}`;
        streams.set(event.key, lane);
        // The status arrives before the first frame, but may be recorded after it.
        const frames = events.flatMap((other) =>
          other.t === 'frame' && other.key.startsWith(`${event.key}#`) ? [other.at] : [],
        );
        return [
          arrow(event, 'sent', lane, event.t0, `${event.kind.toUpperCase()} ${event.path}`),
          arrow(
            event,
            'came',
            lane,
            Math.min(event.t1, ...frames),
            answer(event.status, event.error),
            event.resBody,
          ),
        ];
      }
      case 'frame': {
        const id = event.id === undefined ? '' : ` [${event.id}]`;
        return event.kind === 'comment'
          ? []
          : [arrow(event, 'came', stream, event.at, `${frameName(event.data)}${id}`, event.data)];
      }
      case 'send': {
        const lane = streams.get(event.stream) ?? 'stream';
        return [arrow(event, 'sent', lane, event.at, frameName(event.data), event.data)];
      }
      case 'close': {
        const code = event.code === undefined ? '' : ` (${event.code})`;
        return [arrow(event, event.by === 'relay' ? 'came' : 'sent', stream, event.at, `closed${code}`)];
      }
      case 'sleep': {
        const waited = `waited ${Math.round(event.t1 - event.t0)} ms`;
        return [arrow(event, 'note', client(event.key), event.t0, waited)];
      }
      case 'look':
        return [];
    }
  });
}

function belowDefault({ declared, limits, timings }: RelayFacts): string[] {
  const below = (values: Readonly<Record<string, number>>, defaults: Readonly<Record<string, number>>) =>
    Object.entries(values).flatMap(([name, value]) =>
      value < (defaults[name] ?? value) ? [`${name} = ${value}`] : [],
    );
  return declared ? [...below(limits, DEFAULT_LIMITS), ...below(timings, DEFAULT_TIMINGS)] : [];
}

export const RELAY_PRESENTER: Presenter<RelayFacts, RelayEvent> = {
  where: ({ url }) => url,
  verb: 'server',
  option: ({ started, url }) => (started === true ? '--cmd "COMMAND"' : `--url ${url}`),
  belowDefault,
  arrows,
  script: reproScript,
};
