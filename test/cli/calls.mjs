/**
 * Calls of the program in turn, in one process: in a namespace, where each as a process of its own takes long.
 *
 *     node calls.mjs '[["forward", "--port", …], …]'
 *
 * Prints [{"code", "stdout", "stderr"}, …].
 */
import { runProgram } from '../../dist/cli/program.js';

const results = [];
const streams = { stdout: process.stdout, stderr: process.stderr };
const originals = Object.entries(streams).map(([name, stream]) => [name, stream, stream.write]);
for (const args of JSON.parse(process.argv[2])) {
  const result = { code: null, stdout: '', stderr: '' };
  for (const [name, stream] of originals) {
    stream.write = (chunk) => {
      result[name] += chunk.toString();
      return true;
    };
  }
  result.code = await runProgram(args);
  results.push(result);
}
for (const [, stream, write] of originals) stream.write = write;
process.stdout.write(JSON.stringify(results));
