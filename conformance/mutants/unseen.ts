/** Mutations that no rule catches, and why. The first entry that matches counts. */
interface Unseen {
  /** Matches the names of mutations. */
  readonly what: RegExp;
  readonly why: string;
}

const NO_RULE = 'no rule speaks of this field';

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
    why: 'it is true beyond 500 buffered messages alone, and a room of the lab holds 60',
  },
  {
    what: /^probeRoom\.StatusAnswer\.idle_seconds stale$/,
    why: 'a room of the lab is gone before this is more than what a relay may round',
  },
];
