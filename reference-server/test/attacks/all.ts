import type { Attack } from './attack.ts';
import { unreadAnswers } from './unread-answers.ts';
import { fragments } from './fragments.ts';
import { reader } from './reader.ts';
export const ATTACKS: readonly Attack[] = [...unreadAnswers, fragments, reader];
