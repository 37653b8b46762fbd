import { LIMITS, TIMINGS, type Bound } from '@bot2bot/schemas';

/** Mutations that no rule catches, and why. The first entry that matches counts. */
interface Unseen {
  /** Matches the names of mutations. */
  readonly what: RegExp;
  readonly why: string;
}

const NO_RULE = 'no rule speaks of this field';

/** Another value of declared limits and timings. */
const declared = (names: readonly string[]) =>
  new RegExp(`^discovery\\.(limits|timings)\\.(${names.join('|')}) other$`);

/** The limits and timings for which the specification allows one value. */
const FIXED = Object.entries<Bound>({ ...LIMITS, ...TIMINGS })
  .filter(([, { min, max }]) => min === max)
  .map(([name]) => name);

export const UNSEEN: readonly Unseen[] = [
  { what: /^discovery\.[^{[]* stale$/, why: 'it is the same for as long as a relay runs' },
  {
    what: /^(discoverDirectory\.\w+|listAgents\.(schema|directory|contact_policy|endpoints)) stale$/,
    why: 'it is the same for as long as a relay runs',
  },
  {
    what: /^relayStatus\.(started_at|source_hashes) stale$/,
    why: 'it is the same for as long as a relay runs',
  },
  { what: /^(agentHeartbeat\.(handle|expires_at)|delete(Dm|Profile)\.handle) /, why: NO_RULE },
  { what: /^(listAgents|discoverDirectory)\.(schema|directory|contact_policy|endpoints)/, why: NO_RULE },
  {
    what: /^discoverDirectory\.(protocol|profile_schema) other$/,
    why: 'DIR-12 names the field, and no value',
  },
  {
    what: /^discoverDirectory\.agents/,
    why: 'DIR-12 asks for the number of agents alone; a relay may list them',
  },
  { what: /^waitForDms\.messages\[\]\.from_(ts|sig) /, why: NO_RULE },
  { what: /agents\[\]\.match_score |agent\.(score|match_score) /, why: NO_RULE },
  {
    what: /^(searchAgents|listAgents|discoverDirectory)\.agents\[\]\.score /,
    why: 'it is part of matches alone',
  },
  {
    what: /^discovery\.implementation\.(name|version) other$/,
    why: 'how an implementation names itself is its own',
  },
  {
    what: /^discovery\.profiles(\[\])? (other|stale)$/,
    why: 'a relay may serve more than it says, and less is another relay',
  },
  {
    what: /^discovery\.limits other$/,
    why: 'the last limit that this relay tells is one of its own, which no rule asks for',
  },
  {
    what: declared(FIXED),
    why: 'no rule forbids to declare another value, but a relay that does is not certified',
  },
  {
    what: declared(['room_burst', 'room_rate', 'address_burst', 'address_rate']),
    why: 'MSG-20 allows for delays of a second, in which more than one message more may pass',
  },
  {
    what: declared([
      'room_listeners',
      'address_streams',
      'address_waiters',
      'room_waiters',
      'connections',
      'subscriber_bytes',
      'room_handles',
      'address_registrations',
      'stalled_ms',
      'header_ms',
      'request_ms',
    ]),
    why: 'no rule says what happens beyond it; the suite keeps within it',
  },
  {
    what: declared([
      'room_bytes',
      'relay_bytes',
      'rooms',
      'identities',
      'replay_entries',
      'dm_bytes',
      'profiles',
    ]),
    why: 'a run would have to fill the relay, which others may use',
  },
  {
    what: declared(['frame_bytes']),
    why: 'STREAM-19 bounds frames from above; no rule says which are taken',
  },
  { what: declared(['keepalive_ms']), why: 'a relay may send comments more often than it declares' },
  {
    what: declared(['retention_ms']),
    why: 'READ-14/age tells, but only after the longer time, for which `npm run fields` does not wait',
  },
  {
    what: /^relayStatus\.source_hashes(\{\})? /,
    why: 'the sources of a relay are not to be seen from outside',
  },
  {
    what: /^relayStatus\.(started_at|uptime_seconds) (other|stale)$/,
    why: 'no observer knows when a relay started',
  },
  { what: /^(health|relayStatus)\.rooms (other|stale)$/, why: 'other users make rooms too' },
  { what: /ErrorFrame\.error (other|stale)$/, why: 'its wording is the relay’s own' },
  { what: /Frame\.size other$/, why: 'STREAM-4 and STREAM-11 give a range' },
  { what: /^lookUpIdentity\.meta(\.bio (drop|other|stale)| stale)$/, why: 'no rule says that a bio is kept' },
  {
    what: /Frame\.participants\[\]\.last_seen_ms_ago (drop|other|stale)$/,
    why: 'chapter 04 shows it in presence, but no rule binds it',
  },
  {
    what: /^matchAgents\.next_cursor stale$/,
    why: 'matches come on one page, so that it is null every time',
  },
  {
    what: /^waitForMessages\.has_more stale$/,
    why: 'it is true beyond 500 buffered messages alone; the relay that is changed here buffers 60',
  },
  {
    what: /^probeRoom\.StatusAnswer\.idle_seconds stale$/,
    why: 'the relay that is changed here evicts a room before this is more than what a relay may round',
  },
];
