/** Where the inbox tells what it did; a pino logger fits. Never given a token, nor the text of a request. */
export interface InboxLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SILENT: InboxLog = { info() {}, warn() {}, error() {} };
