import type { Reporter, TestModule, TestSpecification } from 'vitest/node';
import { install, MISSING_PROGRAM } from './needs.ts';

/** Installs the programs that the selected tests need, and ends the output with one line that CI can parse. */
export default class ClosingLine implements Reporter {
  onTestRunStart(specifications: readonly TestSpecification[]): void {
    install(specifications.map(({ moduleId }) => moduleId));
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const line = `${count('passed')} passed, ${count('failed') + broken + unhandled.length} failed`;
    const skipped = count('skipped') + count('pending');
    const unrun = [...modules, ...tests].flatMap((part) => {
      const errors = part.type === 'test' ? (part.result().errors ?? []) : part.errors();
      const where = part.type === 'test' ? part.module.relativeModuleId : part.relativeModuleId;
      const name = part.type === 'test' ? part.fullName : 'all tests';
      return errors
        .filter(({ message }) => message.startsWith(MISSING_PROGRAM))
        .map(({ message }) => `${where} > ${name}: ${message}\n`);
    });
    // On exit, since the default reporter writes its summary after this hook returns.
    process.on('exit', () =>
      process.stdout.write(`\n${unrun.join('')}${line}${skipped === 0 ? '' : `, ${skipped} skipped`}\n`),
    );
  }
}
