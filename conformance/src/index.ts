export { CHECKS } from './checks.ts';
export { coveredRules, judge, type RuleResult, type Verdict } from './judge.ts';
export { EXIT, makeReport, Report, summary, writeReport } from './report.ts';
export { Runner, type RunOptions } from './runner.ts';
export { probe, startTarget, Unreachable } from './target.ts';
export { parseTrace, type Trace } from './trace.ts';
