/** Validates every answer and frame of a case, whatever the check. */
import {
  COMPONENTS,
  RELAY_FRAMES,
  ROUTES,
  type Component,
  type OperationId,
  type Route,
} from '@bot2bot/schemas';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { frameOf } from '../trace/frames.ts';
import { operationOf } from '../trace/operations.ts';
import { Reply } from '../script/reply.ts';
import { Value } from '../trace/value.ts';
import type { Outcome } from '../script/script.ts';
import type { RelayCase, FrameRecord, HttpRecord, OpenRecord, RelayRun } from '../trace/records.ts';

/** The rule that defines the shape of a component. */
const RULE_OF: Readonly<Record<string, string>> = {
  PostAnswer: 'MSG-1',
  WaitAnswer: 'READ-1',
  TranscriptAnswer: 'READ-4',
  StatusAnswer: 'ROOM-5',
  NoRoom: 'ROOM-3',
  Ok: 'STREAM-21',
  HealthAnswer: 'CORE-12',
  RelayStatusAnswer: 'CORE-15',
  Discovery: 'CORE-11',
  Problem: 'CORE-1',
  MessageFrame: 'READ-6',
  ReadyFrame: 'STREAM-4',
  PresenceFrame: 'STREAM-11',
  RenameFrame: 'STREAM-22',
  LockedFrame: 'STREAM-1',
  ErrorFrame: 'STREAM-15',
  SentFrame: 'STREAM-16',
  ClaimAnswer: 'CLAIM-8',
  ClaimEmpty: 'CLAIM-9',
  AckAnswer: 'CLAIM-15',
  RenewAnswer: 'CLAIM-21',
  ReleaseAnswer: 'CLAIM-22',
  RegisterAnswer: 'ID-1',
  IdentityAnswer: 'ID-6',
  DmAnswer: 'DM-1',
  InboxAnswer: 'DM-2',
  PublishAnswer: 'DIR-1',
  AgentAnswer: 'DIR-2',
  AgentsAnswer: 'DIR-6',
  AgentsFile: 'DIR-12',
  HeartbeatAnswer: 'DIR-10',
  DirectoryAnswer: 'DIR-12',
};

/** The same, for components that several operations share. */
const RULE_OF_OPERATION: Readonly<Partial<Record<OperationId, string>>> = {
  deleteDm: 'DM-5',
  deleteProfile: 'DIR-9',
  matchAgents: 'DIR-11',
};

/** The rule of a field that only level hardened requires; in answers to claims it is CLAIM-19 instead. */
const RULE_OF_FIELD: Readonly<Record<string, string>> = {
  epoch: 'READ-11',
  oldest_seq: 'READ-9',
  next_after: 'READ-9',
  has_more: 'READ-9',
  'InboxAnswer.has_more': 'DM-10',
  last_seq: 'STREAM-10',
  code: 'STREAM-15',
  type: 'CORE-2',
  title: 'CORE-2',
  status: 'CORE-2',
};

/** The rules that this model decides. */
export const SCHEMA_RULES: readonly string[] = [
  ...new Set([
    ...Object.values(RULE_OF),
    ...Object.values(RULE_OF_FIELD),
    ...Object.values(RULE_OF_OPERATION),
    'CLAIM-19',
    'CORE-3',
    'CORE-4',
    'CORE-9',
    'CORE-10',
    'STREAM-9',
  ]),
];

const checkers = new Map<string, ReturnType<typeof Compile>>();

function checker(schema: Component): ReturnType<typeof Compile> {
  let compiled = checkers.get(schema.$id);
  if (compiled === undefined) {
    compiled = Compile(COMPONENTS as Record<string, TSchema>, schema);
    checkers.set(schema.$id, compiled);
  }
  return compiled;
}

/** Describe the first invalid field; null if the value is valid. */
function flaw(schema: Component, value: unknown): string | null {
  const compiled = checker(schema);
  if (compiled.Check(value)) return null;
  const [error] = compiled.Errors(value);
  return `${schema.$id}${error?.instancePath ?? ''} ${error?.message ?? 'is not valid'}`;
}

class SchemaJudge {
  readonly outcomes: Outcome[] = [];
  readonly #hardened: boolean;

  constructor(run: RelayRun) {
    this.#hardened = run.target.level === 'hardened';
  }

  watch(trace: RelayCase): void {
    for (const event of trace.events) {
      if (event.t === 'http') this.#answer(event);
      else if (event.t === 'open') this.#opening(event);
      else if (event.t === 'frame') this.#frame(event);
    }
  }

  #judge(rule: string, ok: boolean, want: string, got: string, key: string): void {
    this.outcomes.push({ rule, ok, want, got: ok ? '' : got, evidence: [key] });
  }

  #headers(event: HttpRecord | OpenRecord): void {
    if (!this.#hardened || event.status === 0) return;
    const path = event.path.split('?', 1)[0] ?? '';
    const header = (name: string) => event.resHeaders[name] ?? '';
    if (path.startsWith('/api/') && event.status !== 101) {
      const ok =
        header('access-control-allow-origin') === '*' && header('access-control-allow-credentials') === '';
      this.#judge(
        'CORE-9',
        ok,
        'Access-Control-Allow-Origin: * and no Allow-Credentials',
        JSON.stringify(event.resHeaders),
        event.key,
      );
    }
    if (path.startsWith('/api/rooms/') && event.status !== 101) {
      const got = `Cache-Control: ${header('cache-control')}`;
      this.#judge(
        'CORE-10',
        header('cache-control').includes('no-store'),
        'Cache-Control: no-store',
        got,
        event.key,
      );
    }
  }

  #failure(event: HttpRecord | OpenRecord, freeBody: boolean): void {
    const { status, key, resBody } = event;
    if (status < 400) return;
    this.#judge('CORE-4', status < 500 || status === 503, 'no 5xx but 503', `status ${status}`, key);
    if (status === 429 || status === 503) {
      const value = event.resHeaders['retry-after'] ?? '';
      this.#judge(
        'CORE-3',
        /^[1-9]\d*$/.test(value),
        'Retry-After in whole seconds',
        `Retry-After: ${value}`,
        key,
      );
    }
    const body = Value.parse(resBody);
    if (!freeBody) {
      this.#judge(
        'CORE-1',
        body.get('error').string !== '',
        'a JSON object with a non-empty string error',
        resBody.slice(0, 200),
        key,
      );
    }
    if (!this.#hardened) return;
    const type = event.resHeaders['content-type'] ?? '';
    const ok =
      type.includes('application/problem+json') &&
      body.get('type').string !== '' &&
      body.get('title').string !== '' &&
      body.get('status').number === status &&
      body.get('error').string !== '';
    this.#judge(
      'CORE-2',
      ok,
      `problem+json with type, title, error and status ${status}`,
      `${type} ${resBody.slice(0, 200)}`,
      key,
    );
  }

  #answer(event: HttpRecord): void {
    this.#headers(event);
    const operation = operationOf(event.method, event.path);
    const notJson = event.reqBody !== undefined && Value.parse(event.reqBody).raw === undefined;
    // Malformed HTTP may be refused by a library or a proxy: at compat, the body of that answer is free.
    const noRequest = event.raw !== undefined && !this.#hardened;
    this.#failure(event, notJson || noRequest || operation === 'streamEvents' || operation === 'openSocket');
    if (operation === null || ROUTES[operation].answers !== 'json') return;
    const { replies, status }: Route = ROUTES[operation];
    if (event.status !== (status ?? 200) || replies.length === 0) return;
    const { json } = new Reply(event);
    const noRoom = json.get('exists').raw === false;
    const other = noRoom || json.get('empty').raw === true;
    const schema = replies.length > 1 && other ? replies[1] : replies[0];
    if (schema !== undefined) this.#shape(schema, json, event.key, noRoom, RULE_OF_OPERATION[operation]);
  }

  #shape(schema: Component, value: Value, key: string, noRoom = false, own?: string): void {
    const wrong = flaw(schema, value.raw);
    const rule = own ?? RULE_OF[schema.$id] ?? 'CORE-1';
    const ofClaim = schema.$id.startsWith('Claim');
    this.#judge(rule, wrong === null, `a ${schema.$id} as its schema says`, wrong ?? '', key);
    const hardened = (schema as { 'x-hardened'?: readonly string[] })['x-hardened'] ?? [];
    if (!this.#hardened || noRoom) return;
    for (const field of hardened) {
      this.#judge(
        RULE_OF_FIELD[`${schema.$id}.${field}`] ?? (ofClaim ? 'CLAIM-19' : (RULE_OF_FIELD[field] ?? rule)),
        value.has(field),
        `${schema.$id} carries ${field}`,
        `no ${field}`,
        key,
      );
    }
  }

  #opening(event: OpenRecord): void {
    this.#headers(event);
    this.#failure(event, true);
  }

  #frame(event: FrameRecord): void {
    if (event.kind === 'text' || event.kind === 'binary')
      this.#judge('STREAM-9', event.kind === 'text', 'text frames', 'a binary frame', event.key);
    const frame = frameOf(event);
    if (frame === null) return;
    const isObject = typeof frame.json.raw === 'object' && frame.json.raw !== null;
    this.#judge(
      'STREAM-1',
      isObject && frame.type !== '',
      'one JSON object with a string type',
      event.data.slice(0, 200),
      event.key,
    );
    const schema = RELAY_FRAMES[frame.type];
    if (schema !== undefined) this.#shape(schema, frame.json, event.key);
  }
}

/** Judge every answer and frame of a case. */
export function judgeSchemas(run: RelayRun, trace: RelayCase): Outcome[] {
  const judge = new SchemaJudge(run);
  judge.watch(trace);
  return judge.outcomes;
}
