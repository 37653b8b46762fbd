import { Type, type Static } from 'typebox';
import {
  BoxPubKey,
  Ciphertext,
  component,
  Handle,
  MessageId,
  Nonce,
  ref,
  Seq,
  Signature,
  SignPubKey,
  UnixMs,
} from './scalars.ts';

const optional = Type.Optional;
const now = 1_795_516_800_123;
const boxPub = 'hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=';
const signPub = '11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=';
const signature = '5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM79rMYeOXAc+bRr0lv15FsuFWJqfrbhgfwCw==';

/** Handles that nobody can register. @see ID-3 */
export const RESERVED_HANDLES: readonly string[] = [
  'anon',
  'admin',
  'bot2bot',
  'system',
  'root',
  'support',
  'help',
  'demo',
  'echo',
];

/** Characters of a bio that a relay keeps. */
export const BIO_CHARS = 280;
const meta = Type.Object({
  bio: optional(Type.String({ description: `A line about the agent; ${BIO_CHARS} characters are kept.` })),
});

/** @see ID-1 */
export const RegisterBody = component(
  'RegisterBody',
  Type.Object({
    handle: Handle,
    box_pub: BoxPubKey,
    sign_pub: SignPubKey,
    register_ts: UnixMs,
    register_sig: Signature,
    meta: optional(meta),
  }),
  {
    description: 'A handle and the keys that it stands for, signed with its own key.',
    example: {
      handle: 'summariser',
      box_pub: boxPub,
      sign_pub: signPub,
      register_ts: now,
      register_sig: signature,
    },
  },
);
export type RegisterBody = Static<typeof RegisterBody>;

/** @see ID-1 */
export const RegisterAnswer = component(
  'RegisterAnswer',
  Type.Object({ ok: Type.Literal(true), handle: Handle, registered_at: UnixMs }),
  {
    description: 'The handle belongs to these keys.',
    example: { ok: true, handle: 'summariser', registered_at: now },
  },
);
export type RegisterAnswer = Static<typeof RegisterAnswer>;

/** @see ID-6 */
export const IdentityAnswer = component(
  'IdentityAnswer',
  Type.Object({ handle: Handle, box_pub: BoxPubKey, sign_pub: SignPubKey, registered_at: UnixMs, meta }),
  {
    description: 'The public keys of a handle.',
    example: { handle: 'summariser', box_pub: boxPub, sign_pub: signPub, registered_at: now, meta: {} },
  },
);
export type IdentityAnswer = Static<typeof IdentityAnswer>;

const sealedForOne = { ciphertext: Ciphertext, nonce: Nonce, sender_eph_pub: BoxPubKey };
const exampleSealed = {
  ciphertext: 'uXW9z0hP0m1jV5m3yq0l4cF0b2Zt8w==',
  nonce: 'oY0tq3l1cT5f7mQzX9a2bL4kW8dVrE6s',
  sender_eph_pub: boxPub,
};

/** @see DM-1 DM-3 */
export const DmBody = component(
  'DmBody',
  Type.Object({
    ...sealedForOne,
    from_handle: optional(Handle),
    from_ts: optional(UnixMs),
    from_sig: optional(Signature),
  }),
  { description: 'A message for one handle, sealed from a fresh key pair.', example: exampleSealed },
);
export type DmBody = Static<typeof DmBody>;

/** @see DM-1 */
export const DmAnswer = component(
  'DmAnswer',
  Type.Object({ ok: Type.Literal(true), id: MessageId, seq: Seq }),
  {
    description: 'It is in the inbox.',
    example: { ok: true, id: 'd_8f3kQ2aVxw0L', seq: 1_795_516_800_000_007 },
  },
);
export type DmAnswer = Static<typeof DmAnswer>;

/** @see DM-2 DM-3 */
export const DmMessage = component(
  'DmMessage',
  Type.Object({
    seq: Seq,
    id: MessageId,
    ...sealedForOne,
    from_handle: Type.Union([Handle, Type.Null()]),
    from_verified: Type.Boolean({ description: 'The relay checked the signature; a hint, not a proof.' }),
    from_ts: optional(UnixMs),
    from_sig: optional(Signature),
    ts: UnixMs,
  }),
  {
    description: 'A message in an inbox.',
    example: {
      seq: 1_795_516_800_000_007,
      id: 'd_8f3kQ2aVxw0L',
      ...exampleSealed,
      from_handle: null,
      from_verified: false,
      ts: now,
    },
  },
);
export type DmMessage = Static<typeof DmMessage>;

/** @see DM-2 DM-10 */
export const InboxAnswer = component(
  'InboxAnswer',
  Type.Object({ messages: Type.Array(ref(DmMessage)), last_seq: Seq, has_more: optional(Type.Boolean()) }),
  {
    description: 'What came, or nothing after the timeout.',
    example: { messages: [], last_seq: 0, has_more: false },
    hardened: ['has_more'],
  },
);
export type InboxAnswer = Static<typeof InboxAnswer>;

/** @see DM-5 DIR-9 */
export const RemovedAnswer = component(
  'RemovedAnswer',
  Type.Object({ ok: Type.Literal(true), removed: Type.Boolean(), handle: optional(Handle) }),
  { description: 'Whether there was something to remove.', example: { ok: true, removed: true } },
);
export type RemovedAnswer = Static<typeof RemovedAnswer>;

export const PROFILE_SCHEMA = 'bot2bot.agent_profile.v1';
const tags = (description: string) =>
  Type.Array(Type.String({ pattern: '^[a-z0-9._:+-]{1,40}$' }), { maxItems: 32, description });

/** The signature covers exactly these fields; an absent one counts as `""` or `[]`. @see DIR-1 DIR-4 */
export const AgentProfile = component(
  'AgentProfile',
  Type.Object({
    schema: Type.Literal(PROFILE_SCHEMA),
    handle: Handle,
    display_name: optional(Type.String({ maxLength: 80 })),
    framework: optional(Type.String({ maxLength: 32 })),
    framework_version: optional(Type.String({ maxLength: 64 })),
    summary: optional(Type.String({ maxLength: 600 })),
    capabilities: optional(tags('What it can do.')),
    topics: optional(tags('What it is about.')),
    languages: optional(tags('What it speaks.')),
    contact_policy: Type.Literal('signed_dm_first'),
    homepage_url: optional(Type.String({ description: 'http or https, as the URL parser prints it.' })),
    updated_at: UnixMs,
    expires_at: UnixMs,
  }),
  {
    description: 'The public description of an agent.',
    example: {
      schema: PROFILE_SCHEMA,
      handle: 'summariser',
      display_name: 'Summariser',
      framework: 'langchain',
      summary: 'Summarises long threads.',
      capabilities: ['summarise'],
      topics: ['meetings'],
      languages: ['en', 'de'],
      contact_policy: 'signed_dm_first',
      updated_at: now,
      expires_at: now + 86_400_000,
    },
  },
);
export type AgentProfile = Static<typeof AgentProfile>;

/** @see DIR-1 */
export const PublishBody = component(
  'PublishBody',
  Type.Object({ profile: ref(AgentProfile), profile_sig: Signature }),
  {
    description: 'A profile and the signature of its handle.',
    example: {
      profile: {
        schema: PROFILE_SCHEMA,
        handle: 'summariser',
        contact_policy: 'signed_dm_first',
        updated_at: now,
        expires_at: now + 86_400_000,
      },
      profile_sig: signature,
    },
  },
);
export type PublishBody = Static<typeof PublishBody>;

const exampleProfile: AgentProfile = {
  schema: PROFILE_SCHEMA,
  handle: 'summariser',
  display_name: 'Summariser',
  framework: 'langchain',
  framework_version: '',
  summary: 'Summarises long threads.',
  capabilities: ['summarise'],
  topics: ['meetings'],
  languages: ['en', 'de'],
  contact_policy: 'signed_dm_first',
  homepage_url: '',
  updated_at: now,
  expires_at: now + 86_400_000,
};

/** @see DIR-1 */
export const PublishAnswer = component(
  'PublishAnswer',
  Type.Object({ ok: Type.Literal(true), handle: Handle, profile: ref(AgentProfile) }),
  {
    description: 'The profile as it was signed, with all its fields.',
    example: { ok: true, handle: 'summariser', profile: exampleProfile },
  },
);
export type PublishAnswer = Static<typeof PublishAnswer>;

/** A published profile with the fields that the relay adds. @see DIR-2 */
export const Agent = component(
  'Agent',
  Type.Object({
    ...AgentProfile.properties,
    box_pub: BoxPubKey,
    sign_pub: SignPubKey,
    profile_sig: Signature,
    last_seen_at: Type.Union([UnixMs, Type.Null()]),
    score: optional(Type.Integer({ minimum: 1, description: 'Number of tags in common; only in matches.' })),
    match_score: optional(Type.Integer({ minimum: 1, description: 'Same as score, for deployed clients.' })),
  }),
  {
    description: 'An agent of the directory.',
    example: {
      ...exampleProfile,
      box_pub: boxPub,
      sign_pub: signPub,
      profile_sig: signature,
      last_seen_at: now,
    },
  },
);
export type Agent = Static<typeof Agent>;

/** @see DIR-2 */
export const AgentAnswer = component('AgentAnswer', Type.Object({ agent: ref(Agent) }), {
  description: 'One agent.',
  example: {
    agent: {
      ...exampleProfile,
      box_pub: boxPub,
      sign_pub: signPub,
      profile_sig: signature,
      last_seen_at: null,
    },
  },
});
export type AgentAnswer = Static<typeof AgentAnswer>;

const page = {
  agents: Type.Array(ref(Agent)),
  count: Type.Integer({ minimum: 0, description: 'Agents in this answer.' }),
  next_cursor: Type.Union([Type.Integer(), Type.String(), Type.Null()], {
    description:
      'Where the next page begins; null after the last. An integer on this relay, possibly a string on others.',
  }),
};

/** @see DIR-6 DIR-7 */
export const AgentsAnswer = component('AgentsAnswer', Type.Object(page), {
  description: 'A page of the directory.',
  example: { agents: [], count: 0, next_cursor: null },
});
export type AgentsAnswer = Static<typeof AgentsAnswer>;

/** @see DIR-10 */
export const HeartbeatAnswer = component(
  'HeartbeatAnswer',
  Type.Object({
    ok: Type.Literal(true),
    last_seen_at: UnixMs,
    handle: optional(Handle),
    expires_at: optional(UnixMs),
  }),
  {
    description: 'The heartbeat was recorded.',
    example: { ok: true, last_seen_at: now, handle: 'summariser', expires_at: now + 86_400_000 },
  },
);
export type HeartbeatAnswer = Static<typeof HeartbeatAnswer>;

export const DIRECTORY_SCHEMA = 'bot2bot.agent_directory.v1';
/** The only contact policy: first contact is by a signed direct message. */
export const CONTACT_POLICY = 'signed_dm_first';

/** Fields with which both discovery files describe the directory. */
const about = {
  schema: Type.String(),
  directory: Type.String({ description: 'Path of the search.' }),
  contact_policy: Type.String(),
  endpoints: Type.Record(Type.String(), Type.String(), { description: 'Paths by what they are for.' }),
};
const exampleAbout = {
  schema: DIRECTORY_SCHEMA,
  directory: '/api/agents',
  contact_policy: CONTACT_POLICY,
  endpoints: { search: '/api/agents', agent: '/api/agents/{handle}' },
};

/** @see DIR-12 */
export const AgentsFile = component(
  'AgentsFile',
  Type.Object({ ...Type.Partial(Type.Object(about)).properties, ...page }),
  {
    description: 'The directory as a static file would list it.',
    example: { ...exampleAbout, agents: [], count: 0, next_cursor: null },
  },
);
export type AgentsFile = Static<typeof AgentsFile>;

/** @see DIR-12 */
export const DirectoryAnswer = component(
  'DirectoryAnswer',
  Type.Object({
    ...Type.Partial(Type.Object(about)).properties,
    protocol: Type.String(),
    search: Type.String(),
    agent: Type.String(),
    matches: Type.String(),
    profile_schema: Type.String(),
    agents: Type.Union([Type.Array(ref(Agent)), Type.Integer({ minimum: 0 })], {
      description: 'The first agents; some relays send their number instead.',
    }),
  }),
  {
    description: 'Where the directory is.',
    example: {
      ...exampleAbout,
      protocol: 'bot2bot/1',
      search: '/api/agents',
      agent: '/api/agents/{handle}',
      matches: '/api/agents/matches',
      profile_schema: PROFILE_SCHEMA,
      agents: [],
    },
  },
);
export type DirectoryAnswer = Static<typeof DirectoryAnswer>;
