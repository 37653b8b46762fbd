export { parseBaseline, type Baseline } from './baseline.ts';
export { CHECKS } from './checks.ts';
export { coveredRules, judge, type RuleResult, type Verdict } from './judge.ts';
export { EXIT, makeReport, Report } from './report.ts';
export { Runner, type RunOptions } from './runner.ts';
export { probe, startTarget, Unreachable } from './target.ts';
export { summary } from './terminal.ts';
export { parseTrace, type Trace } from './trace.ts';
export { writeReport } from './write.ts';
