/** The report as a page without scripts, which loads nothing. */
import { diagram } from './diagram.ts';
import { clip } from '../exchange.ts';
import { KILLS } from '../kills.gen.ts';
import { difference } from '../names.ts';
import { STYLE } from './style.ts';
import type { Made, Report } from '../report.ts';
import {
  families,
  implementation,
  MARK_WORDS,
  markOf,
  others,
  bindingRules,
  repetition,
  tally,
  verdictWords,
} from '../tally.ts';
import { NOTHING, xml, type Markup } from '../xml.ts';

/** A sentence of the specification, with its code as code. */
function prose(sentence: string): Markup[] {
  return sentence
    .split('`')
    .map((part, index) => (index % 2 === 1 ? xml`<code>${part}</code>` : xml`${part}`));
}

function head(report: Report): Markup {
  const { target } = report;
  const rules = bindingRules(report);
  const fact = (name: string, value: string) =>
    value === '' ? NOTHING : xml`<div><dt>${name}</dt><dd>${value}</dd></div>\n`;
  return xml`<header>
<p class="suite">Bot2Bot conformance</p>
<h1 class="${report.outcome}">${verdictWords(report)}</h1>
<p class="who">${implementation(report)} at level ${target.level}, specification ${report.spec}</p>
${target.lab ? xml`<p class="lab">In lab, not a certificate. Declared outside the ranges: ${target.outside_ranges.join(', ')}</p>` : NOTHING}
<dl>
${fact('Target', target.started ? `${target.url}, started for the run` : target.url)}${fact('Profiles', target.profiles.join(', '))}${fact('Seed', String(report.seed))}${fact('Started', report.started_at)}${fact('Suite', report.suite)}${fact('Lanes', `${report.cert ? 'all (--cert)' : 'quick and long'}${report.strict ? ', --strict' : ''}`)}${fact('Below the default', target.below_default.join(', '))}</dl>
<ul class="counts">
${[...tally(rules)].map(([mark, count]) => xml`<li class="${mark}"><b>${count}</b> of ${rules.length} ${MARK_WORDS[mark]}</li>\n`)}</ul>
</header>
`;
}

function bars(report: Report): Markup {
  const rows = [...families(bindingRules(report))].map(([family, rules]) => {
    const counts = tally(rules);
    const rest = others(counts);
    const words = `${counts.get('pass') ?? 0} of ${rules.length} pass${rest === '' ? '' : `, ${rest}`}`;
    return xml`<li><b>${family}</b><span class="bar" aria-hidden="true">${[...counts].map(
      ([mark, count]) => xml`<i class="${mark}" style="flex-grow:${count}"></i>`,
    )}</span><span>${words}</span></li>\n`;
  });
  return xml`<section><h2>Chapters</h2>
<ul class="chapters">
${rows}</ul>
</section>
`;
}

function failureArticle(report: Report, failure: Report['failures'][number]): Markup {
  const rule = report.rules.find(({ id }) => id === failure.rule);
  const mark = rule === undefined ? 'fail' : markOf(rule);
  const repro =
    failure.repro === null
      ? NOTHING
      : xml`<li><a href="${failure.repro}">${failure.repro}</a> repeats it</li>`;
  const told = difference(failure.required, failure.observed, (text) => text);
  return xml`<article id="${failure.rule}" class="${mark}">
<h3><span class="mark ${mark}">${MARK_WORDS[mark]}</span> ${failure.rule}</h3>
<p class="sentence">${prose(rule?.sentence ?? '')}</p>
${rule?.known === undefined ? NOTHING : xml`<p>Known, from the baseline: ${rule.known}</p>`}
<dl class="found"><div><dt>Required</dt><dd>${failure.required}</dd></div><div><dt>Observed</dt><dd>${told}</dd></div>${told.endsWith(failure.observed) ? NOTHING : xml`<div><dt>In full</dt><dd class="whole">${failure.observed}</dd></div>`}</dl>
<ul class="aside"><li>${repetition(failure.repeated)}</li><li>case ${failure.case}</li>${repro}</ul>
<div class="scroll" tabindex="0" role="group" aria-label="Sequence diagram of ${failure.rule}">${diagram(failure.exchange, `What was sent and what came, up to the failure of ${failure.rule}`, report.subject)}</div>
</article>
`;
}

/** A cause: the failure to look at first, and the rules that it explains folded under it. */
function causeSection(report: Report, cause: Report['causes'][number]): Markup[] {
  const articleOf = (id: string) =>
    report.failures.filter(({ rule }) => rule === id).map((failure) => failureArticle(report, failure));
  const folded = cause.explains.flatMap((id) => report.failures.filter(({ rule }) => rule === id));
  if (folded.length === 0) return articleOf(cause.rule);
  return [
    ...articleOf(cause.rule),
    xml`<details><summary>${cause.rule} explains ${folded.length} more: ${cause.explains.join(', ')}</summary>
<ul class="folded">
${folded.map(({ rule, required, difference }) => xml`<li><b>${rule}</b> ${clip(required, 200)}: ${difference}</li>\n`)}</ul>
${cause.explains.flatMap(articleOf)}</details>
`,
  ];
}

function failures(report: Report): Markup {
  if (report.failures.length === 0) return NOTHING;
  return xml`<section><h2>Failures, by cause</h2>
<p class="hint">What shows the same fault is folded under the failure to look at first. Each diagram ends where the rule was broken; the steps that show it are highlighted. Point at a step to read more of it; all of it is in trace.ndjson.</p>
${report.causes.flatMap((cause) => causeSection(report, cause))}</section>
`;
}

const command = (words: string) => xml`<code>bot2bot-conformance ${words}</code>`;

/** What a person can do if there is neither a failure nor a verdict. */
function nextOfIncomplete({ report, command: { verb, option } }: Pick<Made, 'report' | 'command'>): Markup {
  const open = report.rules
    .filter(({ verdict }) => verdict === 'not-observed' || verdict === 'inconclusive')
    .map(({ id }) => id);
  const count = report.troubles.length;
  const cases = count === 1 ? '1 case' : `${count} cases`;
  return xml`<section class="next"><h2>What to do next</h2>
<ol>
${count === 0 ? NOTHING : xml`<li>${cases} did not run to the end, for the reasons under Remarks. If these are about time, run the suite again on a machine with less load, or closer to the target.</li>\n`}${open.length === 0 ? NOTHING : xml`<li>Check the rules without a verdict again: ${command(`${verb} ${option} --only ${open.join(',')}`)}</li>\n`}${report.target.lab && report.strict ? xml`<li>A run in lab is no certificate, which --strict asks for: run the suite against a target with the timings of the specification.</li>\n` : NOTHING}</ol>
</section>
`;
}

/** What a person can do with this report. */
function next(made: Pick<Made, 'report' | 'command'>): Markup {
  const { report } = made;
  const { verb, option } = made.command;
  const [first] = report.causes;
  if (first === undefined) return report.outcome === 'incomplete' ? nextOfIncomplete(made) : NOTHING;
  const { rule, explains } = first;
  const repro = report.failures.find((failure) => failure.rule === rule)?.repro ?? null;
  const more = explains.length === 0 ? '' : `: it explains ${explains.length} more`;
  const { started } = report.target;
  const count = report.failures.length;
  const broken =
    count === 1
      ? ''
      : ` ${count} broken rules have ${report.causes.length} ${report.causes.length === 1 ? 'cause' : 'causes'}.`;
  return xml`<section class="next"><h2>What to do next</h2>
<ol>
<li>Look at <a href="#${rule}">${rule}</a> first${more}.${broken}</li>
<li>Run its case again, in this folder: ${command(`replay cases/${rule}.json ${option}`)}${repro === null ? NOTHING : xml`, or <code>sh ${repro}${started ? ' URL' : ''}</code>`}${started ? '. COMMAND is what starts the target, as for this run (it is not kept here, for it may hold secrets), and URL is where one runs.' : '.'}</li>
<li>Read what the rule asks, and what checks it: ${command(`explain ${rule}`)}</li>
<li>When it is mended, check this rule alone: ${command(`${verb} ${option} --only ${rule}`)}</li>
<li>To tolerate it for now, write <code>${`{"failures":[{"rule":"${rule}","why":"our ticket"}]}`}</code> to a file, and give it with <code>--baseline FILE</code> and <code>--seed ${String(report.seed)}</code>.</li>
</ol>
</section>
`;
}

function remarks({ troubles, baseline }: Report): Markup {
  const lines = [
    ...troubles.map(({ case: name, why }) => xml`<li>${name} did not run to its end: ${why}</li>\n`),
    ...(baseline?.stale ?? []).map((id) => xml`<li>${id} passes, yet is in the baseline: remove it</li>\n`),
    ...(baseline?.not_tested ?? []).map(
      (id) => xml`<li>${id} is in the baseline, and was not tested in this run</li>\n`,
    ),
  ];
  return lines.length === 0 ? NOTHING : xml`<section><h2>Remarks</h2><ul>\n${lines}</ul></section>\n`;
}

function table(report: Report): Markup {
  const failed = new Set(report.failures.map(({ rule }) => rule));
  const rows = report.rules.map((rule) => {
    const mark = markOf(rule);
    const why = rule.known ?? rule.reason;
    const mutants = rule.mutants_killed;
    return xml`<tr><th scope="row">${failed.has(rule.id) ? xml`<a href="#${rule.id}">${rule.id}</a>` : rule.id}<small>${rule.word} · ${rule.level}</small></th><td class="sentence">${prose(rule.sentence)}</td><td><span class="mark ${mark}">${MARK_WORDS[mark]}</span>${why === undefined ? NOTHING : xml`<small>${why}</small>`}</td><td class="number">${rule.tested === 0 ? '–' : `${rule.held} of ${rule.tested}`}</td><td class="mutants">${mutants.length === 0 ? '–' : xml`<details><summary>${mutants.length}</summary><ul>${mutants.map((id) => xml`<li>${KILLS[rule.id]?.[id] ?? id}</li>`)}</ul></details>`}</td></tr>\n`;
  });
  return xml`<section><h2>All rules</h2>
<p class="hint">Held: how often the rule held, of the times that it was put to the test. Mutants: deliberately broken implementations that the suite detects by this rule.</p>
<table>
<thead><tr><th scope="col">Rule</th><th scope="col">Sentence</th><th scope="col">Verdict</th><th scope="col">Held</th><th scope="col">Mutants</th></tr></thead>
<tbody>
${rows}</tbody>
</table>
</section>
`;
}

/** `report.html`: well-formed as XML too. */
export function html(made: Pick<Made, 'report' | 'command'>): string {
  const { report } = made;
  return xml`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>${verdictWords(report)}: ${implementation(report)}</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
${head(report)}<main>
${next(made)}${bars(report)}${failures(report)}${remarks(report)}${table(report)}</main>
</body>
</html>
`.markup;
}
