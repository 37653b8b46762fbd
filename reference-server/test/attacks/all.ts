/** All attacks, in the order in which they run. */
import type { Attack } from './attack.ts';
import { authorizationSpaces } from './authorization.ts';
import { fragments } from './fragments.ts';
import { fullStreams } from './full-streams.ts';
import { eviction, sweep } from './many-rooms.ts';
import { places } from './places.ts';
import { presence } from './presence.ts';
import { profiles } from './profiles.ts';
import { reader } from './reader.ts';
import { tables } from './tables.ts';
import { unreadAnswers } from './unread-answers.ts';
import { junkInBodies } from './validation.ts';

export const ATTACKS: readonly Attack[] = [
  ...unreadAnswers,
  fragments,
  reader,
  ...places,
  authorizationSpaces,
  junkInBodies,
  profiles,
  presence,
  eviction,
  sweep,
  ...tables,
  fullStreams,
];
