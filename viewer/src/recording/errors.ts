/** What reading a recording can reject with, besides KeyMissing and SourceUnreachable. Each message is one sentence for the screen. */

/** The recording is whole, but that parameter is not in it. */
export class TensorMissing extends Error {
  readonly tag = 'TensorMissing'
  override readonly name = 'TensorMissing'
  constructor(
    readonly layer: string,
    readonly role: string,
    readonly checkpoint: number,
    label: string,
  ) {
    super(`The ${role} of ${layer} was not recorded at ${label}.`)
  }
}

/** The recording is whole, but holds no activations of that sample at that checkpoint. */
export class ActivationsMissing extends Error {
  readonly tag = 'ActivationsMissing'
  override readonly name = 'ActivationsMissing'
  constructor(
    readonly checkpoint: number,
    readonly sample: number,
    label: string,
    what = `The activations of sample ${sample}`,
  ) {
    super(`${what} were not recorded at ${label}.`)
  }
}

/** A file of the recording is there but not what it should be. */
export class BadRecording extends Error {
  readonly tag = 'BadRecording'
  override readonly name = 'BadRecording'
  constructor(
    readonly key: string,
    readonly problem: string,
  ) {
    super(`${key}: ${problem}`)
  }
}

/** The sentence to show for anything that was thrown. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
