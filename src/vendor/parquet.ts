/**
 * Writing of Parquet files.
 *
 * Promise: everything else imports it from here, when it is asked for. In what is built, this module is the part of
 * `hyparquet-writer` that is used (`scripts/vendor.mjs`): with what it depends on it would be a fifteenth of what is
 * installed.
 */
export { parquetWriteFile } from 'hyparquet-writer';
