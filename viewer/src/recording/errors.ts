/** What reading a recording can reject with, besides KeyMissing and SourceUnreachable. Each message is one sentence for the screen. */

/** That parameter is not in the recording; with `all`, the checkpoint has no parameters at all. */
export class TensorMissing extends Error {
  readonly tag = 'TensorMissing'
  override readonly name = 'TensorMissing'
  constructor(
    readonly layer: string,
    readonly role: string,
    readonly checkpoint: number,
    label: string,
    all = false,
  ) {
    super(
      all
        ? `${capital(label)} was not recorded: it has no parameters.`
        : `The ${role} of ${layer} was not recorded at ${label}.`,
    )
  }
}

/** The recording holds no activations of that sample at that checkpoint; with `all`, of no sample. */
export class ActivationsMissing extends Error {
  readonly tag = 'ActivationsMissing'
  override readonly name = 'ActivationsMissing'
  constructor(
    readonly checkpoint: number,
    readonly sample: number,
    label: string,
    all = false,
  ) {
    super(
      all
        ? `${capital(label)} was not recorded: it has no activations.`
        : `The activations of sample ${sample} were not recorded at ${label}.`,
    )
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

/** Something else lies under the same address now. */
export class AnotherRecording extends Error {
  readonly tag = 'AnotherRecording'
  override readonly name = 'AnotherRecording'
  constructor(name: string) {
    super(`Another recording, ${name || 'without a name'}, has taken the place of this one.`)
  }
}

/** The sentence to show for anything that was thrown. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
