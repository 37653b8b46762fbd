/** Mutations that no rule catches, and why. The first entry that matches counts. */
interface Unseen {
  /** Matches the names of mutations. */
  readonly what: RegExp;
  readonly why: string;
  /** A rule may speak of it, but no check looks at it yet. */
  readonly open?: true;
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
    what: /^discovery\.profiles(\[\])? other$/,
    why: 'a relay may serve more than it says, and less is another relay',
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
  { what: /^openSocket\.ErrorFrame\.error/, why: 'its wording is the relay’s own' },
  { what: /Frame\.size other$/, why: 'STREAM-4 and STREAM-11 give a range' },
  { what: /^lookUpIdentity\.meta\.bio (drop|other)$/, why: 'no rule says that a bio is kept' },
  { what: / (drop|type|other|stale)$/, why: 'no check looks at it yet', open: true },
];
