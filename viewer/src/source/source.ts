/** A source of bytes: a recording is read through this and nothing else, wherever it lies. */
export interface Source {
  /** The whole of `key`, as it is now. Rejects with KeyMissing or SourceUnreachable. */
  get(key: string): Promise<ArrayBuffer>
  /**
   * Bytes `start` to `end` (exclusive) of `key`; what lies beyond its end is left out, so the answer may be shorter and
   * even empty. Rejects with KeyMissing or SourceUnreachable. The buffer may be shared: read it, never detach it.
   */
  getRange(key: string, start: number, end: number): Promise<ArrayBuffer>
  /**
   * All from byte `start` on of a file that may have grown or been replaced, as it is now; null where it ends before
   * `start`. Rejects with KeyMissing or SourceUnreachable.
   */
  getFrom(key: string, start: number): Promise<Uint8Array<ArrayBuffer> | null>
  /**
   * Tells what the recording's files are now, and again whenever one changes; null while the connection is lost. Absent
   * where nothing can change. Ends when the returned function is called.
   */
  watch?(on: (news: News | null) => void): () => void
  /** Size of `key` in bytes, if an answer has told it already. */
  sizeNow(key: string): number | null
  /** Bytes received so far. */
  readonly bytesFetched: number
  /** Bytes of files kept in memory because the source could not give parts of them. */
  readonly bytesHeld: number
}

/** Versions of a recording's files, null for one that is not there, and whether somebody is writing it. */
export interface News {
  recording: string | null
  metrics: string | null
  insights: string | null
  writing: boolean
}

/** The source does not answer, or answers something else than what was asked. */
export class SourceUnreachable extends Error {
  readonly tag = 'SourceUnreachable'
  override readonly name = 'SourceUnreachable'
  constructor(
    readonly key: string,
    /** HTTP status; null when there was no answer. */
    readonly status: number | null,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${key} could not be loaded: ${problem}`, options)
  }
}

/** The source answers, and has no such key. */
export class KeyMissing extends Error {
  readonly tag = 'KeyMissing'
  override readonly name = 'KeyMissing'
  constructor(readonly key: string) {
    super(`${key} is not in this recording`)
  }
}
