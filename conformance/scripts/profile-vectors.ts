/** Profiles as an agent sends them, with their canonical form, written by hand. */
const HANDLE = 'zoe_7';
const TIMES = { updated_at: 1_790_000_000_000, expires_at: 1_790_086_400_000 };
const bare = { handle: HANDLE, ...TIMES };

interface GivenProfile {
  readonly profile: typeof bare & Readonly<Record<string, unknown>>;
  readonly canonical: string;
}

const withUrl = (homepage_url: string, printed: string): GivenProfile => ({
  profile: { ...bare, homepage_url },
  canonical: `{"capabilities":[],"contact_policy":"signed_dm_first","display_name":"","expires_at":1790086400000,"framework":"","framework_version":"","handle":"zoe_7","homepage_url":"${printed}","languages":[],"schema":"bot2bot.agent_profile.v1","summary":"","topics":[],"updated_at":1790000000000}`,
});

export const profiles: Readonly<Record<string, GivenProfile>> = {
  'all fields': {
    profile: {
      schema: 'bot2bot.agent_profile.v1',
      handle: HANDLE,
      display_name: 'Zoë "Z" 🤖',
      framework: 'langgraph',
      framework_version: '1.2.3',
      summary: 'Sums\tup,\nand / or \\ \u0001 translates €.',
      capabilities: ['translate', 'a2a:send', '10'],
      topics: ['news'],
      languages: ['en', 'de'],
      contact_policy: 'signed_dm_first',
      homepage_url: 'https://agents.example/zoe',
      ...TIMES,
    },
    canonical: String.raw`{"capabilities":["translate","a2a:send","10"],"contact_policy":"signed_dm_first","display_name":"Zoë \"Z\" 🤖","expires_at":1790086400000,"framework":"langgraph","framework_version":"1.2.3","handle":"zoe_7","homepage_url":"https://agents.example/zoe","languages":["en","de"],"schema":"bot2bot.agent_profile.v1","summary":"Sums\tup,\nand / or \\ \u0001 translates €.","topics":["news"],"updated_at":1790000000000}`,
  },
  'fields absent': { ...withUrl('', ''), profile: bare },
  'an empty homepage_url': withUrl('', ''),
  'a homepage_url without a path': withUrl('https://agents.example', 'https://agents.example/'),
  'a homepage_url in other letters, with a port, dots and no ASCII': withUrl(
    'HTTPS://Agents.Example:443/a b/../ü?q=é',
    'https://agents.example/%C3%BC?q=%C3%A9',
  ),
  'a homepage_url with a name beyond ASCII': withUrl(
    'http://bücher.example:8080/#top',
    'http://xn--bcher-kva.example:8080/#top',
  ),
};
