/**
 * Results of a sweep as a Parquet file, for pandas, DuckDB and their like.
 *
 * Promise: one row a result, in the order given; the columns of a result line under the same names. Counts are INT64,
 * ratios DOUBLE, `loads` and `warnings` JSON; axes that a policy does not have are null.
 */
import { fileProblem } from '../capture/format.js';
import type { SweepLine } from './result-file.js';

type ColumnType = 'STRING' | 'INT32' | 'INT64' | 'DOUBLE' | 'JSON';

/** Columns in order. */
const COLUMNS: readonly (readonly [keyof SweepLine, ColumnType])[] = [
  ['key', 'STRING'],
  ['capture', 'STRING'],
  ['policy', 'STRING'],
  ['nic', 'STRING'],
  ['queues', 'INT32'],
  ['hashKey', 'STRING'],
  ['seed', 'INT64'],
  ['base', 'STRING'],
  ['options', 'JSON'],
  ['workers', 'INT32'],
  ['packets', 'INT64'],
  ['bytes', 'INT64'],
  ['flows', 'INT64'],
  ['fullestOverFair', 'DOUBLE'],
  ['gini', 'DOUBLE'],
  ['handoffsPerPacket', 'DOUBLE'],
  ['wakeupsPerPacket', 'DOUBLE'],
  ['reorderedPackets', 'INT64'],
  ['reorderedRatio', 'DOUBLE'],
  ['reorderedMaxExtent', 'INT64'],
  ['movesInFlight', 'INT64'],
  ['backlogDrops', 'INT64'],
  ['busiest', 'DOUBLE'],
  ['elephants', 'INT64'],
  ['loads', 'JSON'],
  ['warnings', 'JSON'],
];

/** Writes (or replaces) the file. @throws UserError where it cannot be written */
export async function writeParquet(path: string, lines: readonly SweepLine[]): Promise<void> {
  const { parquetWriteFile } = await import('../vendor/parquet.js');
  // Results of earlier versions have no such fields.
  const columns = COLUMNS.filter(([name]) => lines.some((line) => line[name] !== undefined));
  const columnData = columns.map(([name, type]) => ({
    name,
    type,
    data: lines.map((line) => {
      const value = line[name] ?? null;
      return type === 'INT64' && value !== null ? BigInt(value as number) : value;
    }),
  }));
  try {
    parquetWriteFile({ filename: path, columnData });
  } catch (error) {
    throw fileProblem(path, error, 'write');
  }
}
