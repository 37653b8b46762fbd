export { parseBaseline, type Baseline } from './report/baseline.ts';
export { CHECKS } from './checks/index.ts';
export { coveredRules, judge, type RuleResult, type Verdict } from './judge/verdict.ts';
export { EXIT, makeReport, Report } from './report/report.ts';
export { Runner, type RunOptions } from './drive/runner.ts';
export { probe, startTarget, Unreachable } from './drive/target/probe.ts';
export { summary } from './report/terminal.ts';
export { parseTrace, type Trace } from './trace/records.ts';
export { writeReport } from './report/write.ts';
